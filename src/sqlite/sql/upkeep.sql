-- What keeps a store small and clean.

-- columns age_row: n, received_at
-- @events_after (n, at_most)
SELECT {age_row} FROM event WHERE n > :n ORDER BY n LIMIT :at_most;

-- @is_unmatched (n)
SELECT EXISTS (SELECT 1 FROM unmatched WHERE n = :n);

-- @next_clock_step (n)
SELECT min(n) FROM clock_step WHERE n > :n;

-- The one at or before an event.
-- @last_clock_step (n)
SELECT max(n) FROM clock_step WHERE n <= :n;

-- columns end_row: d, state, at
-- @ends (first, last)
SELECT {end_row} FROM ended WHERE d BETWEEN :first AND :last;

-- @attempts_of_event (first, last)
SELECT count(*) FROM attempt WHERE d BETWEEN :first AND :last;

-- @attempts_remove (first, last)
DELETE FROM attempt WHERE d BETWEEN :first AND :last;

-- @ends_remove (first, last)
DELETE FROM ended WHERE d BETWEEN :first AND :last;

-- @event_remove (n)
DELETE FROM event WHERE n = :n;

-- @clock_step_remove (n)
DELETE FROM clock_step WHERE n = :n;

-- The one behind an event that is gone stands for the same step.
-- @clock_step_move (n)
INSERT OR IGNORE INTO clock_step (n) SELECT n FROM event WHERE n > :n ORDER BY n LIMIT 1;

-- columns late_row: at, d
-- @due_after (latest, at_most)
SELECT {late_row} FROM due WHERE at > :latest ORDER BY at LIMIT :at_most;

-- @open_due (d, due_at)
UPDATE open SET due_at = :due_at WHERE d = :d;

-- @scrubbed (erased)
UPDATE world SET scrubbed = :erased WHERE id = 0;

-- columns clock_row: boot, up, wall, step
-- @clock (boot)
SELECT {clock_row} FROM clock WHERE boot = :boot;

-- @clocks
SELECT {clock_row} FROM clock;

-- @clock_forget
DELETE FROM clock;

-- @clock_add (boot, up, wall, step)
INSERT INTO clock ({clock_row}) VALUES (:boot, :up, :wall, :step);

-- What is looked at whether it agrees, and set right (repair.h).

-- columns standing_of: d, lane
-- @open_all
SELECT {standing_of} FROM open ORDER BY d;

-- @lanes_all
SELECT lane FROM open INDEXED BY open_lane WHERE lane IS NOT NULL ORDER BY lane;

-- @turns
SELECT (SELECT count(*) FROM ready) + (SELECT count(*) FROM due) + (SELECT count(*) FROM running);

-- @hook_opens
SELECT id, open FROM hook;

-- @hook_open_set (hook, open)
UPDATE hook SET open = :open WHERE id = :hook;

-- @unmatched_clean
DELETE FROM unmatched WHERE NOT EXISTS (SELECT 1 FROM event WHERE event.n = unmatched.n);

-- @unmatched_count
SELECT count(*) FROM unmatched;

-- @skipped_after (n)
SELECT count(*) FROM skipped WHERE n > :n;

-- @skipped_count
SELECT count(*) FROM skipped;

-- @finished_set (finished, skipped)
UPDATE world SET finished = :finished, skipped = :skipped WHERE id = 0;

-- @ready_clean
DELETE FROM ready WHERE NOT EXISTS (SELECT 1 FROM open WHERE open.d = ready.d)
    OR EXISTS (SELECT 1 FROM running WHERE running.d = ready.d);

-- @due_clean
DELETE FROM due WHERE NOT EXISTS (SELECT 1 FROM open WHERE open.d = due.d AND open.due_at = due.at)
    OR EXISTS (SELECT 1 FROM running WHERE running.d = due.d);

-- @running_clean
DELETE FROM running WHERE NOT EXISTS (SELECT 1 FROM open WHERE open.d = running.d);

-- Those without a lane that have no turn.
-- @turnless
SELECT o.d FROM open AS o WHERE o.lane IS NULL
    AND NOT EXISTS (SELECT 1 FROM running AS r WHERE r.d = o.d)
    AND NOT EXISTS (SELECT 1 FROM ready AS y WHERE y.hook = o.d & 65535 AND y.portal = o.portal
                    AND y.d = o.d)
    AND NOT EXISTS (SELECT 1 FROM due AS u WHERE u.at = o.due_at AND u.d = o.d);

-- Workers.

-- columns worker_row: host, pid, version, since, running, config_error, trouble, once
-- @worker_add (host, pid, version, since, running, config_error, trouble, once)
INSERT INTO worker ({worker_row})
VALUES (:host, :pid, :version, :since, :running, :config_error, :trouble, :once);

-- @workers
SELECT {worker_row} FROM worker;

-- @workers_forget
DELETE FROM worker;

-- @worker_remove (host, pid)
DELETE FROM worker WHERE host = :host AND pid = :pid;

-- columns once_row: left_at, host, trouble
-- @once
SELECT {once_row} FROM once;

-- @once_add (left_at, host, trouble)
INSERT INTO once ({once_row}) VALUES (:left_at, :host, :trouble);

-- @once_forget
DELETE FROM once;
