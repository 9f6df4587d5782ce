-- Chores.

-- columns due_chore: installation, tries, due_at
-- @chores_due (what, now, at_most)
SELECT {due_chore} FROM chore INDEXED BY chore_due WHERE what = :what AND due_at <= :now
ORDER BY tries > 0, due_at, installation LIMIT :at_most;

-- A clock was ahead.
-- @chores_recall (what, now, farthest)
UPDATE chore INDEXED BY chore_due SET due_at = :now WHERE what = :what AND due_at > :farthest;

-- None where it is under way.
-- @chore_of (installation, what, now)
SELECT {due_chore} FROM chore WHERE installation = :installation AND what = :what
    AND NOT coalesce(began_at <= :now + 60000 AND due_at > :now, 0);

-- @chore_take (installation, what, again_at, now)
UPDATE chore SET due_at = :again_at, began_at = :now, wanted_at = NULL
WHERE installation = :installation AND what = :what;

-- Of one that is under way.
-- @chore_want_again (installation, what, at, now)
UPDATE chore SET wanted_at = min(coalesce(wanted_at, :at), :at)
WHERE installation = :installation AND what = :what
    AND began_at <= :now + 60000 AND due_at > :now;

-- What was taken ends where it is due still when its taker said.  One that became due once more
-- meanwhile is due since then.
-- @chore_repeat (installation, what, again_at)
UPDATE chore SET due_at = wanted_at, wanted_at = NULL, began_at = NULL
WHERE installation = :installation AND what = :what AND due_at = :again_at
    AND wanted_at IS NOT NULL;

-- @chore_postpone (installation, what, again_at, due_at, problem)
UPDATE chore SET due_at = :due_at, tries = tries + 1, problem = nullif(:problem, ''),
    began_at = NULL
WHERE installation = :installation AND what = :what AND due_at = :again_at;

-- @chore_end (installation, what, again_at)
DELETE FROM chore WHERE installation = :installation AND what = :what AND due_at = :again_at;

-- @chore_rest (installation, what, again_at, due_at, now)
UPDATE chore SET due_at = :due_at, tries = 0, problem = NULL, began_at = NULL, ended_at = :now
WHERE installation = :installation AND what = :what AND due_at = :again_at;

-- @chore_give_back (installation, what, again_at, due_at)
UPDATE chore SET due_at = :due_at, began_at = NULL, wanted_at = NULL
WHERE installation = :installation AND what = :what AND due_at = :again_at;

-- @chore_set (installation, what, due_at, now)
INSERT OR REPLACE INTO chore (installation, what, due_at, tries, ended_at)
VALUES (:installation, :what, :due_at, 0, :now);

-- @chore_remove (installation, what)
DELETE FROM chore WHERE installation = :installation AND what = :what;

-- Not those that are under way.
-- @chores_hasten (what, now)
UPDATE chore SET due_at = min(due_at, :now) WHERE what = :what
    AND NOT coalesce(began_at <= :now + 60000 AND due_at > :now, 0);

-- columns chore_span: (SELECT min(due_at) FROM chore INDEXED BY chore_due WHERE what = :what) AS first, (SELECT max(due_at) FROM chore INDEXED BY chore_due WHERE what = :what) AS last
-- @chore_times (what)
SELECT {chore_span};

-- @chore_ended (what)
SELECT ended_at FROM chore WHERE installation = 0 AND what = :what;
