-- What a person changes.

-- columns found_row: d, state, merged_into
-- @found (first, last)
SELECT o.d, EXISTS (SELECT 1 FROM running AS r WHERE r.d = o.d), NULL
FROM open AS o WHERE o.d BETWEEN :first AND :last
UNION ALL
SELECT {found_row} FROM ended WHERE d BETWEEN :first AND :last;

-- columns again_row: attempt, laned, result
-- @ended_again (d)
SELECT {again_row} FROM ended WHERE d = :d;

-- @run_keep (d)
INSERT OR REPLACE INTO attempt (d, attempt, ended_at, {run_row})
SELECT d, attempt, at, {run_row} FROM ended WHERE d = :d AND result IS NOT NULL;

-- @ended_remove (d)
DELETE FROM ended WHERE d = :d;

-- @fellows_set (first, last, fellows)
UPDATE open SET fellows = :fellows WHERE d BETWEEN :first AND :last;
