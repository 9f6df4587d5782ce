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
-- columns older_row: o.d, o.portal, o.due_at, o.attempt, o.max_attempts, o.failures, o.failed_at, o.reason, o.fellows, e.facts
-- @lane_waiting (lane, d, at_most)
SELECT {older_row} FROM open AS o INDEXED BY open_lane LEFT JOIN event AS e ON e.n = o.d >> 16
WHERE o.lane = :lane AND o.d < :d AND NOT EXISTS (SELECT 1 FROM running AS r WHERE r.d = o.d)
ORDER BY o.d DESC LIMIT :at_most;

-- @lane_counted (lane, at_most)
SELECT count(*) FROM (SELECT 1 FROM open INDEXED BY open_lane WHERE lane = :lane LIMIT :at_most);

-- @open_take_over (d, attempt, max_attempts, due_at, failures, failed_at, reason)
UPDATE open SET attempt = :attempt, max_attempts = :max_attempts, due_at = :due_at,
    failures = :failures, failed_at = :failed_at, reason = :reason WHERE d = :d;

-- @fingerprint (host)
SELECT fingerprint FROM hooks_seen WHERE host = :host;

-- @fingerprint_keep (host, fingerprint, now)
INSERT OR REPLACE INTO hooks_seen (host, fingerprint, seen_at) VALUES (:host, :fingerprint, :now);

-- @fingerprints_forget (before)
DELETE FROM hooks_seen WHERE seen_at < :before;

-- @retryable_last
SELECT n FROM skipped INDEXED BY skipped_retryable WHERE retryable = 1 AND n > 0
ORDER BY n DESC LIMIT 1;

-- @retryable (after, up_to, received_from, at_most)
SELECT s.n FROM skipped AS s INDEXED BY skipped_retryable CROSS JOIN event AS e ON e.n = s.n
WHERE s.retryable = 1 AND s.n > :after AND s.n <= :up_to AND e.received_at >= :received_from
ORDER BY s.n LIMIT :at_most;

-- Those that have the reason of their dispatch.
-- columns reasoned_row: d
-- @reasoned
SELECT d FROM open INDEXED BY open_reasoned WHERE attempt = 0 AND reason IS NOT NULL AND d > 0
    AND d NOT IN (SELECT d FROM running) ORDER BY d;

-- @reason_forget (d)
UPDATE open SET reason = NULL WHERE d = :d;
