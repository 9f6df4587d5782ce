-- What the runner reads and writes.

-- @something_due (now)
SELECT EXISTS (SELECT 1 FROM ready) OR EXISTS (SELECT 1 FROM due WHERE at <= :now);

-- @next_due
SELECT min(at) FROM due;

-- @running_hooks
SELECT d & 65535 FROM running;

-- columns ready_row: hook, portal, d
-- @ready_first (hook, portal)
SELECT {ready_row} FROM ready WHERE hook = :hook AND portal > :portal ORDER BY portal, d LIMIT 1;

-- @ready_more (hook, portal, d, at_most)
SELECT d FROM ready WHERE hook = :hook AND portal = :portal AND d > :d ORDER BY d LIMIT :at_most;

-- @ready_hook (hook)
SELECT hook FROM ready WHERE hook > :hook ORDER BY hook LIMIT 1;

-- columns claim_row: o.attempt, o.max_attempts, o.failures, e.received_at, e.portal, e.slot, e.origin, e.ts, e.facts, e.body
-- @claim (d)
SELECT {claim_row} FROM open AS o LEFT JOIN event AS e ON e.n = o.d >> 16 WHERE o.d = :d;

-- @running_add (d, attempt, started_at, seed)
INSERT OR IGNORE INTO running (d, attempt, started_at, seed)
VALUES (:d, :attempt, :started_at, :seed);

-- columns running_row: started_at, seed, kill
-- @running (d, attempt)
SELECT {running_row} FROM running WHERE d = :d AND attempt = :attempt;

-- @running_remove (d)
DELETE FROM running WHERE d = :d;

-- @running_kill (d)
UPDATE running SET kill = 1 WHERE d = :d;

-- @running_killed
SELECT d FROM running WHERE kill <> 0 ORDER BY d;

-- columns orphan_row: r.d, r.attempt, r.started_at, r.seed, o.max_attempts, o.failures, t.out, t.out_bytes, t.err, t.err_bytes
-- @orphans
SELECT {orphan_row} FROM running AS r LEFT JOIN open AS o ON o.d = r.d
    LEFT JOIN output AS t ON t.d = r.d ORDER BY r.d;

-- @output_add (d, out, out_bytes, err, err_bytes)
INSERT OR REPLACE INTO output (d, out, out_bytes, err, err_bytes)
SELECT d, :out, :out_bytes, :err, :err_bytes FROM running WHERE d = :d;

-- @output_any
SELECT EXISTS (SELECT 1 FROM output);

-- @output_remove (d)
DELETE FROM output WHERE d = :d;

-- @ended_run (d, state, at, attempt, max_attempts, laned, reason, result, started_at, seed, exit, signal, note, out_bytes, err_bytes, out, err)
INSERT INTO ended (d, state, at, attempt, max_attempts, laned, reason, {run_row})
VALUES (:d, :state, :at, :attempt, :max_attempts, :laned, :reason, :result, :started_at, :seed,
    :exit, :signal, :note, :out_bytes, :err_bytes, :out, :err);

-- @attempt_add (d, attempt, ended_at, result, started_at, seed, exit, signal, note, out_bytes, err_bytes, out, err)
INSERT OR REPLACE INTO attempt (d, attempt, ended_at, {run_row})
VALUES (:d, :attempt, :ended_at, :result, :started_at, :seed, :exit, :signal, :note, :out_bytes,
    :err_bytes, :out, :err);

-- @open_again (d, attempt, max_attempts, due_at, failed, failed_at, reason)
UPDATE open SET attempt = :attempt, max_attempts = :max_attempts, due_at = :due_at,
    failures = failures + :failed, failed_at = coalesce(failed_at, :failed_at), reason = :reason
WHERE d = :d;
