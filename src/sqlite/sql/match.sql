-- What the matcher reads and writes.

-- @unmatched_first (at_most)
SELECT u.n FROM unmatched AS u CROSS JOIN event AS e ON e.n = u.n ORDER BY u.n LIMIT :at_most;

-- @new_after (n, at_most)
SELECT {whole_event} FROM event AS e
WHERE e.n > :n AND NOT EXISTS (SELECT 1 FROM skipped AS s WHERE s.n = e.n)
ORDER BY e.n LIMIT :at_most;

-- @new_between (after, before)
SELECT e.n FROM event AS e
WHERE e.n > :after AND e.n < :before AND NOT EXISTS (SELECT 1 FROM skipped AS s WHERE s.n = e.n)
ORDER BY e.n;

-- @events_between (after, before)
SELECT count(*) FROM event WHERE n > :after AND n < :before;

-- @next_new (n)
SELECT e.n FROM event AS e
WHERE e.n > :n AND NOT EXISTS (SELECT 1 FROM skipped AS s WHERE s.n = e.n)
ORDER BY e.n LIMIT 1;

-- @skipped_last
SELECT max(n) FROM skipped;

-- columns facts_row: portal, ts, facts
-- @event_facts (n)
SELECT {facts_row} FROM event WHERE n = :n;

-- Those of a lane that wait before D, the last ones first.
-- columns older_row: o.d, o.portal, o.due_at, o.attempt, o.max_attempts, o.failed_at, o.reason, o.fellows, e.facts
-- @lane_waiting (lane, d, at_most)
SELECT {older_row} FROM open AS o INDEXED BY open_lane LEFT JOIN event AS e ON e.n = o.d >> 16
WHERE o.lane = :lane AND o.d < :d AND NOT EXISTS (SELECT 1 FROM running AS r WHERE r.d = o.d)
ORDER BY o.d DESC LIMIT :at_most;

-- @lane_counted (lane, at_most)
SELECT count(*) FROM (SELECT 1 FROM open INDEXED BY open_lane WHERE lane = :lane LIMIT :at_most);

-- @open_take_over (d, attempt, max_attempts, due_at, failed_at, reason)
UPDATE open SET attempt = :attempt, max_attempts = :max_attempts, due_at = :due_at,
    failed_at = :failed_at, reason = :reason WHERE d = :d;
