-- What several parts of the store ask.

-- columns world_row: matched, last, finished, pruned, skipped, erased, scrubbed
-- @world
SELECT {world_row} FROM world WHERE id = 0;

-- @world_begin (key0, key1)
INSERT INTO world (id, key0, key1) VALUES (0, :key0, :key1);

-- columns key_row: key0, key1
-- @lane_key
SELECT {key_row} FROM world WHERE id = 0;

-- @world_add (matched, last, finished, pruned, skipped, erased)
UPDATE world SET matched = max(matched, :matched), last = max(last, :last),
    finished = finished + :finished, pruned = pruned + :pruned, skipped = skipped + :skipped,
    erased = erased + :erased WHERE id = 0;

-- The greatest number there ever was, and what of the last event is compared with the next.
-- columns last_row: max(w.matched, w.last, coalesce(e.n, 0)) AS n, w.finished, e.received_at
-- @last_number
SELECT {last_row} FROM world AS w LEFT JOIN event AS e ON e.n = (SELECT max(n) FROM event)
WHERE w.id = 0;

-- Names.

-- columns hook_row: id, name
-- @hooks
SELECT {hook_row} FROM hook;

-- @hook_named (name)
SELECT id FROM hook WHERE name = :name;

-- @hook_make (name)
INSERT INTO hook (name) VALUES (:name);

-- columns portal_row: p.member_id, p.domain, (SELECT min(id) FROM portal WHERE name = p.name) AS account
-- @portal (id)
SELECT {portal_row} FROM portal AS p WHERE p.id = :id;

-- @portal_named (name, member_id, domain)
SELECT id FROM portal WHERE name = :name AND member_id = :member_id AND domain = :domain;

-- @portal_make (name, member_id, domain)
INSERT INTO portal (name, member_id, domain) VALUES (:name, :member_id, :domain);

-- Counters.

-- @hook_add (hook, open, done, dead, merged, cancelled)
UPDATE hook SET open = open + :open, done = done + :done, dead = dead + :dead,
    merged = merged + :merged, cancelled = cancelled + :cancelled WHERE id = :hook;

-- @hook_ended (hook, done, dead, merged, cancelled)
UPDATE hook SET ended_done = ended_done + :done, ended_dead = ended_dead + :dead,
    ended_merged = ended_merged + :merged, ended_cancelled = ended_cancelled + :cancelled
WHERE id = :hook;

-- What a turn that only ends runs well counts.
-- @hook_done (hook, done)
UPDATE hook SET open = open - :done, done = done + :done, ended_done = ended_done + :done,
    ran_done = ran_done + :done WHERE id = :hook;

-- @hook_ran (hook, done, failed, timeout, lost, interrupted, cancelled)
UPDATE hook SET ran_done = ran_done + :done, ran_failed = ran_failed + :failed,
    ran_timeout = ran_timeout + :timeout, ran_lost = ran_lost + :lost,
    ran_interrupted = ran_interrupted + :interrupted, ran_cancelled = ran_cancelled + :cancelled
WHERE id = :hook;

-- @minute_begin (hook, minute)
INSERT OR IGNORE INTO hook_minute (hook, minute, done, failed, dead)
SELECT id, :minute, ran_done, ran_failed + ran_timeout + ran_lost, ended_dead
FROM hook WHERE id = :hook;

-- @minute_forget (hook, before)
DELETE FROM hook_minute WHERE hook = :hook AND minute < :before;

-- Secrets.

-- @slot_free (after, last, size)
SELECT id FROM slot WHERE id > :after AND id <= :last AND length(data) = :size
    AND substr(data, 1, 8) = zeroblob(8) LIMIT 1;

-- One of those that `slot_spare` has.
-- @slot_spare (size)
SELECT id FROM slot INDEXED BY slot_spare WHERE length(data) = :size AND length(data) >= 512
    AND substr(data, 1, 8) = x'0000000000000000' LIMIT 1;

-- @slot_last
SELECT max(id) FROM slot;

-- @slot_make (data)
INSERT INTO slot (data) VALUES (:data);

-- @slot_take (id, data)
UPDATE slot SET data = :data WHERE id = :id;

-- @slot_length (id)
SELECT length(data) FROM slot WHERE id = :id;

-- @slot_data (id)
SELECT data FROM slot WHERE id = :id;

-- @slot_erase (id, owner)
UPDATE slot SET data = zeroblob(length(data)) WHERE id = :id AND substr(data, 1, 8) = :owner;

-- Events.

-- Without its body; `state`: 0 new, 1 matched, 2 skipped.
-- columns event_row: e.n, e.received_at, e.portal, e.slot, e.origin, e.ts, e.facts, e.installation
-- @event_state (n)
SELECT CASE WHEN e.n IS NULL THEN NULL WHEN s.n IS NOT NULL THEN 2
        WHEN u.n IS NOT NULL OR w.matched < :n THEN 0 ELSE 1 END
FROM world AS w LEFT JOIN event AS e ON e.n = :n LEFT JOIN skipped AS s ON s.n = :n
    LEFT JOIN unmatched AS u ON u.n = :n
WHERE w.id = 0;

-- columns whole_event: e.n, e.received_at, e.portal, e.slot, e.origin, e.ts, e.facts, e.body, e.installation
-- @event_whole (n)
SELECT {whole_event} FROM event AS e WHERE e.n = :n;

-- @event_slot (n)
SELECT slot FROM event WHERE n = :n;

-- columns skip_row: reason, retryable, at
-- @skip (n)
SELECT {skip_row} FROM skipped WHERE n = :n;

-- @skip_add (n, at, retryable, reason)
INSERT OR REPLACE INTO skipped (n, at, retryable, reason) VALUES (:n, :at, :retryable, :reason);

-- @skip_remove (n)
DELETE FROM skipped WHERE n = :n;

-- @unmatched_add (n)
INSERT OR IGNORE INTO unmatched (n) VALUES (:n);

-- @unmatched_remove (n)
DELETE FROM unmatched WHERE n = :n;

-- columns refusal_row: more, list
-- @refusals (n)
SELECT {refusal_row} FROM refusal WHERE n = :n;

-- @refusals_add (n, more, list)
INSERT OR REPLACE INTO refusal (n, more, list) VALUES (:n, :more, :list);

-- @refusals_remove (n)
DELETE FROM refusal WHERE n = :n;

-- Deliveries.

-- columns open_row: lane, portal, due_at, attempt, max_attempts, fellows, failures, failed_at, reason
-- @open (d)
SELECT {open_row} FROM open WHERE d = :d;

-- @open_add (d, lane, portal, due_at, attempt, max_attempts, fellows, failures, failed_at, reason)
INSERT INTO open (d, {open_row})
VALUES (:d, :lane, :portal, :due_at, :attempt, :max_attempts, :fellows, :failures, :failed_at,
    :reason);

-- @open_remove (d)
DELETE FROM open WHERE d = :d;

-- @open_of_event (first, last)
SELECT count(*) FROM open WHERE d BETWEEN :first AND :last;

-- @open_of_event_exists (first, last)
SELECT EXISTS (SELECT 1 FROM open WHERE d BETWEEN :first AND :last);

-- @dead_of_event_exists (first, last)
SELECT EXISTS (SELECT 1 FROM ended INDEXED BY ended_state
    WHERE state <> 2 AND state = 3 AND d BETWEEN :first AND :last);

-- @ended_of_event (first, last)
SELECT count(*) FROM ended WHERE d BETWEEN :first AND :last;

-- A waiting one ends without a run.
-- @ended_add (d, state, at, attempt, max_attempts, laned, merged_into)
INSERT INTO ended (d, state, at, attempt, max_attempts, laned, merged_into)
VALUES (:d, :state, :at, :attempt, :max_attempts, :laned, :merged_into);

-- Of a run that has ended.
-- columns run_row: result, started_at, seed, exit, signal, note, out_bytes, err_bytes, out, err

-- Turns.

-- @ready_add (hook, portal, d, at)
INSERT OR IGNORE INTO ready (hook, portal, d, at) VALUES (:hook, :portal, :d, :at);

-- @ready_remove (hook, portal, d)
DELETE FROM ready WHERE hook = :hook AND portal = :portal AND d = :d;

-- @due_add (at, d)
INSERT OR IGNORE INTO due (at, d) VALUES (:at, :d);

-- @due_remove (at, d)
DELETE FROM due WHERE at = :at AND d = :d;

-- @has_turn (hook, portal, d, at)
SELECT EXISTS (SELECT 1 FROM ready WHERE hook = :hook AND portal = :portal AND d = :d)
    OR EXISTS (SELECT 1 FROM due WHERE at = :at AND d = :d);

-- columns next_row: d, due_at, portal
-- @lane_next (lane)
SELECT {next_row} FROM open INDEXED BY open_lane WHERE lane = :lane ORDER BY d LIMIT 1;

-- The one that runs, and those that may have the turn.
-- columns standing_row: d, due_at, portal, EXISTS (SELECT 1 FROM running WHERE running.d = open.d) AS runs
-- @lane_standing (lane)
SELECT {standing_row} FROM open INDEXED BY open_lane WHERE lane = :lane ORDER BY d LIMIT 3;

-- @lane_runs (lane)
SELECT r.d FROM running AS r CROSS JOIN open AS o ON o.d = r.d WHERE o.lane = :lane;

-- @lane_before (lane, d)
SELECT max(d) FROM open INDEXED BY open_lane WHERE lane = :lane AND d < :d;

-- columns due_row: u.at, u.d, o.portal
-- @due_by (now, at_most)
SELECT {due_row} FROM due AS u LEFT JOIN open AS o ON o.d = u.d
WHERE u.at <= :now ORDER BY u.at, u.d LIMIT :at_most;
