-- What is shown.

-- Numbers of events, newest first, from SMALLEST on: all, and those of one state.

-- @list_all (smallest, greatest)
SELECT n FROM event WHERE n BETWEEN :smallest AND :greatest ORDER BY n DESC;

-- @list_new (smallest, greatest)
SELECT e.n FROM event AS e WHERE e.n > (SELECT matched FROM world)
    AND e.n BETWEEN :smallest AND :greatest
    AND NOT EXISTS (SELECT 1 FROM skipped AS s WHERE s.n = e.n)
ORDER BY e.n DESC;

-- @list_unmatched (smallest, greatest)
SELECT n FROM unmatched WHERE n BETWEEN :smallest AND :greatest ORDER BY n DESC;

-- @list_skipped (smallest, greatest)
SELECT n FROM skipped WHERE n BETWEEN :smallest AND :greatest ORDER BY n DESC;

-- Those of a hook, or with 0 of any.

-- @list_waiting (hook, smallest, greatest)
SELECT o.d >> 16 FROM open AS o WHERE (:hook = 0 OR o.d & 65535 = :hook)
    AND o.d BETWEEN :smallest << 16 AND (:greatest << 16) + 65535
    AND NOT EXISTS (SELECT 1 FROM running AS r WHERE r.d = o.d)
ORDER BY o.d DESC;

-- @list_running (hook, smallest, greatest)
SELECT d >> 16 FROM running WHERE (:hook = 0 OR d & 65535 = :hook)
    AND d BETWEEN :smallest << 16 AND (:greatest << 16) + 65535 ORDER BY d DESC;

-- @list_done (hook, smallest, greatest)
SELECT d >> 16 FROM ended WHERE state = 2 AND (:hook = 0 OR d & 65535 = :hook)
    AND d BETWEEN :smallest << 16 AND (:greatest << 16) + 65535 ORDER BY d DESC;

-- @list_dead (hook, smallest, greatest)
SELECT d >> 16 FROM ended INDEXED BY ended_state WHERE state <> 2 AND state = 3 AND (:hook = 0 OR d & 65535 = :hook)
    AND d BETWEEN :smallest << 16 AND (:greatest << 16) + 65535 ORDER BY d DESC;

-- @list_merged (hook, smallest, greatest)
SELECT d >> 16 FROM ended INDEXED BY ended_state WHERE state <> 2 AND state = 4 AND (:hook = 0 OR d & 65535 = :hook)
    AND d BETWEEN :smallest << 16 AND (:greatest << 16) + 65535 ORDER BY d DESC;

-- @list_cancelled (hook, smallest, greatest)
SELECT d >> 16 FROM ended INDEXED BY ended_state WHERE state <> 2 AND state = 5 AND (:hook = 0 OR d & 65535 = :hook)
    AND d BETWEEN :smallest << 16 AND (:greatest << 16) + 65535 ORDER BY d DESC;

-- @list_event (n)
SELECT {event_row} FROM event AS e WHERE e.n = :n;

-- Deliveries of an event: those that are open, and those that ended.

-- columns open_delivery: o.d, o.lane, o.due_at, o.attempt, o.max_attempts, o.reason, r.attempt AS running, o.failed_at
-- @open_deliveries (first, last)
SELECT {open_delivery} FROM open AS o LEFT JOIN running AS r ON r.d = o.d
WHERE o.d BETWEEN :first AND :last;

-- columns ended_delivery: d, state, at, attempt, max_attempts, laned, merged_into, reason
-- @ended_deliveries (first, last)
SELECT {ended_delivery} FROM ended WHERE d BETWEEN :first AND :last;

-- Runs of a delivery, oldest first: those that did not end it, the one that did, the one under way.

-- columns shown_run: attempt, ended_at, result, started_at, seed, exit, signal, note, out_bytes, err_bytes, out, err
-- @attempts (d)
SELECT {shown_run} FROM attempt WHERE d = :d ORDER BY attempt;

-- @attempt_last (d)
SELECT attempt, at, {run_row} FROM ended WHERE d = :d AND result IS NOT NULL;

-- @attempt_running (d)
SELECT r.attempt, NULL, 0, r.started_at, r.seed, NULL, NULL, NULL, t.out_bytes, t.err_bytes, t.out,
    t.err
FROM running AS r LEFT JOIN output AS t ON t.d = r.d WHERE r.d = :d;

-- @err_of_end (d, from)
SELECT substr(err, :from) FROM ended WHERE d = :d;

-- @err_of_attempt (d, from)
SELECT substr(err, :from) FROM attempt WHERE d = :d ORDER BY attempt DESC LIMIT 1;

-- Status.

-- columns count_row: h.name, h.open, h.done, h.dead, h.merged, h.cancelled, (SELECT count(*) FROM running WHERE d & 65535 = h.id) AS running, h.ran_done - m.done AS done_now, h.ran_failed + h.ran_timeout + h.ran_lost - m.failed AS failed_now, h.ended_dead - m.dead AS dead_now
-- @hook_counts (after, now)
SELECT {count_row} FROM hook AS h LEFT JOIN hook_minute AS m ON m.hook = h.id AND m.minute =
    (SELECT min(f.minute) FROM hook_minute AS f
     WHERE f.hook = h.id AND f.minute > :after AND f.minute <= :now)
ORDER BY h.name;

-- columns waits_row: hook, count(*) AS n, min(at) AS oldest
-- @ready_counts
SELECT {waits_row} FROM ready GROUP BY hook;

-- @due_counts (now)
SELECT d & 65535, count(*), min(at) FROM due WHERE at <= :now GROUP BY d & 65535;

-- @new_received (n)
SELECT e.received_at FROM event AS e
WHERE e.n > :n AND NOT EXISTS (SELECT 1 FROM skipped AS s WHERE s.n = e.n)
ORDER BY e.n LIMIT 1;

-- @unmatched_received
SELECT e.received_at FROM unmatched AS u CROSS JOIN event AS e ON e.n = u.n ORDER BY u.n LIMIT 1;

-- columns blocked_row: o.d, o.lane, o.reason, o.failed_at
-- @blocked (at_most)
SELECT {blocked_row} FROM open AS o INDEXED BY open_failed
WHERE o.failed_at IS NOT NULL AND o.lane IS NOT NULL
    AND (EXISTS (SELECT 1 FROM running AS r WHERE r.d = o.d)
         OR EXISTS (SELECT 1 FROM ready AS y WHERE y.hook = o.d & 65535 AND y.portal = o.portal
                    AND y.d = o.d)
         OR EXISTS (SELECT 1 FROM due AS u WHERE u.at = o.due_at AND u.d = o.d))
ORDER BY o.d LIMIT :at_most;

-- @behind (lane)
SELECT count(*) - 1 FROM open INDEXED BY open_lane WHERE lane = :lane;
