-- How fast portals are called.  Times are the database's.  Nothing here waits for the disk: what a
-- server that fails has lost would be over within minutes.

-- How long until some of the operating time of a method is free again; NULL: nothing is known.  A
-- time that is further away than any (10 minutes) is of a clock that was set back since.
CREATE FUNCTION bxhook.operating_free_in(a_portal bytea, a_whose bytea, a_method bytea,
    a_blocked boolean) RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT o.free_at - n.now FROM bxhook.operating AS o
    CROSS JOIN (SELECT bxhook.now_ms() AS now) AS n
    WHERE o.portal = a_portal AND o.whose = a_whose AND o.method = a_method
        AND (o.blocked OR NOT a_blocked)
        AND o.free_at > n.now AND o.free_at <= n.now + 600000
$$;

-- What is in the bucket, whose row is locked from then on.  One of a clock that was set back since is as
-- it was left, and empties from now on.
CREATE FUNCTION bxhook.bucket_level(a_portal bytea, a_rate bigint)
RETURNS TABLE (level bigint, now bigint) LANGUAGE plpgsql AS $$
DECLARE
    v_row record;
BEGIN
    INSERT INTO bxhook.limiter AS l (portal, level, at) VALUES (a_portal, 0, 0)
    ON CONFLICT (portal) DO NOTHING;
    SELECT * INTO v_row FROM bxhook.limiter AS l WHERE l.portal = a_portal FOR UPDATE;
    now := bxhook.now_ms();  -- not before the wait for the row
    level := greatest(v_row.level - greatest(now - v_row.at, 0) * a_rate, 0);
    IF v_row.at > now THEN
        UPDATE bxhook.limiter AS l SET at = bucket_level.now WHERE l.portal = a_portal;
    END IF;
    RETURN NEXT;
END $$;

CREATE FUNCTION bxhook.take_call(a_portal bytea, a_whose bytea, a_method bytea, a_rate bigint,
    a_burst bigint, a_most bigint)
RETURNS TABLE (taken boolean, wait bigint) LANGUAGE plpgsql AS $$
DECLARE
    v_bucket record;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    wait := bxhook.operating_free_in(a_portal, a_whose, a_method, true);
    taken := wait IS NULL;
    IF taken THEN
        SELECT * INTO v_bucket FROM bxhook.bucket_level(a_portal, a_rate);
        wait := (greatest(v_bucket.level + 1000 - a_burst * 1000, 0) + a_rate - 1) / a_rate;
        taken := wait <= a_most;
        IF taken THEN
            UPDATE bxhook.limiter SET level = v_bucket.level + 1000, at = v_bucket.now
            WHERE portal = a_portal;
        END IF;
    END IF;
    RETURN NEXT;
END $$;

CREATE FUNCTION bxhook.fill_bucket(a_portal bytea, a_rate bigint, a_burst bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_bucket record;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    SELECT * INTO v_bucket FROM bxhook.bucket_level(a_portal, a_rate);
    UPDATE bxhook.limiter SET level = greatest(v_bucket.level, a_burst * 1000), at = v_bucket.now
    WHERE portal = a_portal;
END $$;

CREATE FUNCTION bxhook.note_operating(a_portal bytea, a_whose bytea, a_method bytea, a_free_in bigint)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    DELETE FROM bxhook.operating WHERE free_at < bxhook.now_ms() AND ctid IN (
        SELECT o.ctid FROM bxhook.operating AS o WHERE o.free_at < bxhook.now_ms()
        FOR UPDATE SKIP LOCKED);
    INSERT INTO bxhook.operating AS o (portal, whose, method, free_at, blocked)
    VALUES (a_portal, a_whose, a_method, bxhook.now_ms() + a_free_in, false)
    ON CONFLICT (portal, whose, method) DO UPDATE SET free_at = excluded.free_at,
        blocked = o.blocked AND o.free_at > bxhook.now_ms();
END $$;

CREATE FUNCTION bxhook.block_method(a_portal bytea, a_whose bytea, a_method bytea,
    a_otherwise bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_lasting bigint := coalesce(
        bxhook.operating_free_in(a_portal, a_whose, a_method, false), a_otherwise);
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    INSERT INTO bxhook.operating (portal, whose, method, free_at, blocked)
    VALUES (a_portal, a_whose, a_method, bxhook.now_ms() + v_lasting, true)
    ON CONFLICT (portal, whose, method) DO UPDATE SET free_at = excluded.free_at, blocked = true;
    RETURN v_lasting;
END $$;
