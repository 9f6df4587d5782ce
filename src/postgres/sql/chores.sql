-- Chores.

-- What is due later than a_farthest is due at a_now: a clock was ahead.
CREATE FUNCTION bxhook.take_due_chores(a_what bigint, a_now bigint, a_farthest bigint,
    a_again bigint, a_most bigint)
RETURNS TABLE (id bigint, tries integer, due bigint) LANGUAGE plpgsql AS $$
BEGIN
    UPDATE bxhook.chore SET due_at = a_now WHERE what = a_what AND due_at > a_farthest;
    RETURN QUERY WITH taken AS (
        SELECT c.installation, c.tries, c.due_at FROM bxhook.chore AS c
        WHERE c.what = a_what AND c.due_at <= a_now
        ORDER BY c.tries > 0, c.due_at, c.installation LIMIT a_most FOR UPDATE SKIP LOCKED),
    marked AS (
        UPDATE bxhook.chore AS c SET due_at = a_again, began_at = a_now, wanted_at = NULL
        FROM taken AS t
        WHERE c.installation = t.installation AND c.what = a_what RETURNING c.installation)
    SELECT t.installation, t.tries, t.due_at FROM taken AS t
    WHERE t.installation IN (SELECT m.installation FROM marked AS m)
    ORDER BY t.tries > 0, t.due_at, t.installation;
END $$;

-- Somebody has taken it, and it is not due again.  A minute: what clocks differ, and who takes it may
-- have waited for its row.
CREATE FUNCTION bxhook.is_under_way(a_began bigint, a_due bigint, a_now bigint) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(a_began <= a_now + 60000 AND a_due > a_now, false)
$$;

-- A row for one that there is, and that is not under way.
CREATE FUNCTION bxhook.take_chore(a_id bigint, a_what bigint, a_now bigint, a_again bigint)
RETURNS TABLE (tries integer, due bigint) LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY WITH taken AS (
        SELECT c.tries, c.due_at FROM bxhook.chore AS c
        WHERE c.installation = a_id AND c.what = a_what
            AND NOT bxhook.is_under_way(c.began_at, c.due_at, a_now) FOR UPDATE),
    marked AS (
        UPDATE bxhook.chore AS c SET due_at = a_again, began_at = a_now, wanted_at = NULL FROM taken
        WHERE c.installation = a_id AND c.what = a_what RETURNING c.installation)
    SELECT t.tries, t.due_at FROM taken AS t WHERE EXISTS (SELECT 1 FROM marked);
END $$;

-- What happened makes it due at a_at; where it is under way, once more when it has ended.
CREATE FUNCTION bxhook.begin_chore(a_id bigint, a_what bigint, a_at bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_now bigint := bxhook.now_ms();
BEGIN
    INSERT INTO bxhook.chore AS c (installation, what, due_at, tries)
    VALUES (a_id, a_what, a_at, 0)
    ON CONFLICT (installation, what) DO UPDATE SET
        due_at = CASE WHEN bxhook.is_under_way(c.began_at, c.due_at, v_now) THEN c.due_at
            ELSE least(c.due_at, excluded.due_at) END,
        wanted_at = CASE WHEN bxhook.is_under_way(c.began_at, c.due_at, v_now)
            THEN least(c.wanted_at, excluded.due_at) END;
END $$;

-- As if it had never been tried before.
CREATE FUNCTION bxhook.begin_chore_anew(a_id bigint, a_what bigint, a_at bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM bxhook.chore AS c WHERE c.installation = a_id AND c.what = a_what
        AND NOT bxhook.is_under_way(c.began_at, c.due_at, bxhook.now_ms());
    PERFORM bxhook.begin_chore(a_id, a_what, a_at);
END $$;

-- What was taken ends where it is due still when its taker said (a_again).  One that became due once
-- more meanwhile is due since then; false: it did not, and it is locked.
CREATE FUNCTION bxhook.repeat_chore(a_id bigint, a_what bigint, a_again bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM bxhook.chore WHERE installation = a_id AND what = a_what FOR UPDATE;
    UPDATE bxhook.chore SET due_at = wanted_at, wanted_at = NULL, began_at = NULL
    WHERE installation = a_id AND what = a_what AND due_at = a_again AND wanted_at IS NOT NULL;
    RETURN FOUND;
END $$;

CREATE FUNCTION bxhook.postpone_chore(a_id bigint, a_what bigint, a_again bigint, a_due bigint,
    a_problem bytea) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF bxhook.repeat_chore(a_id, a_what, a_again) THEN
        RETURN false;
    END IF;
    UPDATE bxhook.chore SET due_at = a_due, tries = tries + 1, problem = nullif(a_problem, ''),
        began_at = NULL
    WHERE installation = a_id AND what = a_what AND due_at = a_again;
    RETURN FOUND;
END $$;

CREATE FUNCTION bxhook.end_chore(a_id bigint, a_what bigint, a_again bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    IF bxhook.repeat_chore(a_id, a_what, a_again) THEN
        RETURN false;
    END IF;
    DELETE FROM bxhook.chore WHERE installation = a_id AND what = a_what AND due_at = a_again;
    RETURN FOUND;
END $$;

-- It is done at a_now, and due again at a_due.
CREATE FUNCTION bxhook.rest_chore(a_id bigint, a_what bigint, a_again bigint, a_due bigint,
    a_now bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF bxhook.repeat_chore(a_id, a_what, a_again) THEN
        RETURN false;
    END IF;
    UPDATE bxhook.chore SET due_at = a_due, tries = 0, problem = NULL, began_at = NULL,
        ended_at = a_now
    WHERE installation = a_id AND what = a_what AND due_at = a_again;
    RETURN FOUND;
END $$;

-- One element each, of what was not begun.
CREATE FUNCTION bxhook.give_back_chores(a_id bigint[], a_what bigint[], a_again bigint[],
    a_due bigint[]) RETURNS void LANGUAGE sql AS $$
    UPDATE bxhook.chore AS c SET due_at = t.due, began_at = NULL, wanted_at = NULL
    FROM unnest(a_id, a_what, a_again, a_due)
        AS t (id, what, again, due)
    WHERE c.installation = t.id AND c.what = t.what AND c.due_at = t.again
$$;

-- It was done at a_now, and is due again.
CREATE FUNCTION bxhook.set_chore(a_id bigint, a_what bigint, a_now bigint, a_due bigint)
RETURNS void LANGUAGE sql AS $$
    INSERT INTO bxhook.chore AS c (installation, what, due_at, tries, ended_at)
    VALUES (a_id, a_what, a_due, 0, a_now)
    ON CONFLICT (installation, what) DO UPDATE SET due_at = excluded.due_at, tries = 0,
        ended_at = excluded.ended_at, problem = NULL, began_at = NULL
$$;

CREATE FUNCTION bxhook.hasten_chores(a_what bigint, a_now bigint) RETURNS void LANGUAGE sql AS $$
    UPDATE bxhook.chore AS c SET due_at = least(c.due_at, a_now)
    WHERE what = a_what AND NOT bxhook.is_under_way(began_at, c.due_at, a_now)
$$;

-- Of each kind what is due later than a_farthest is due at a_now.
CREATE FUNCTION bxhook.next_chore(a_now bigint, a_what bigint[], a_farthest bigint[])
RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT min(CASE WHEN last.due > k.farthest THEN least(first.due, a_now) ELSE first.due END)
    FROM unnest(a_what, a_farthest) AS k (what, farthest)
    CROSS JOIN LATERAL (SELECT c.due_at AS due FROM bxhook.chore AS c WHERE c.what = k.what
        ORDER BY c.due_at LIMIT 1) AS first
    CROSS JOIN LATERAL (SELECT c.due_at AS due FROM bxhook.chore AS c WHERE c.what = k.what
        ORDER BY c.due_at DESC LIMIT 1) AS last
$$;

CREATE FUNCTION bxhook.last_pass() RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT ended_at FROM bxhook.chore WHERE installation = 0 AND what = {to_pass}
$$;

CREATE FUNCTION bxhook.claim_installations(a_client bytea, a_now bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM bxhook.lock_installations();
    INSERT INTO bxhook.chore (installation, what, due_at, tries)
    SELECT id, {to_verify}, a_now, 0 FROM bxhook.installation AS i
    WHERE state = {of_pending} AND client_id = a_client AND NOT EXISTS (
        SELECT 1 FROM bxhook.chore AS v WHERE v.installation = i.id AND v.what = {to_verify})
    ON CONFLICT (installation, what) DO NOTHING;
END $$;
