-- The gateway's part.

-- Up to this number nothing is to come any more.  Of every add that is under way either the lock is
-- found, or it takes its numbers after the first statement, and they are larger.  What it commits
-- is seen by the statements after the call.  The locks have the numbers' last 31 bits.
CREATE FUNCTION bxhook.seen_up_to() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_last bigint;
    v_behind bigint;
BEGIN
    v_last := bxhook.last_number();
    SELECT max(behind) INTO v_behind FROM (
        SELECT (v_last - objid::bigint) & 2147483647 AS behind FROM pg_locks
        WHERE locktype = 'advisory' AND classid = 1652058218 AND objsubid = 2 AND database = (
            SELECT oid FROM pg_database WHERE datname = current_database())) AS adds
    WHERE behind < 1073741824;
    RETURN v_last - coalesce(v_behind, 0);
END $$;

-- columns no_number: (-9223372036854775807)::bigint
-- Adds events and gives their numbers, and whether there is somebody to be woken; again with the
-- same key it gives what the first time gave.  Adds do not wait for each other, that one sync of the
-- disk may be for several.  So a number may be committed before a smaller one, and is not looked at
-- until bxhook.seen_up_to has come to it; and those who are at it at once may exceed a_limit
-- together, by what they bring.  0 stands for no lane, no installation and no delay, {no_number} for
-- no ts.
CREATE FUNCTION bxhook.add(a_key bytea, a_at bigint, a_limit bigint, a_received_at bigint[],
    a_portal bigint[], a_lane bigint[], a_ts bigint[], a_facts bytea[], a_body bytea[],
    a_secret bytea[], a_origin bigint[], a_installation bigint[], a_delayed bigint[])
RETURNS TABLE (n bigint, wake boolean) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_room bigint := least(cardinality(a_body), a_limit - bxhook.unfinished());
    v_numbers bigint[];
    v_wake boolean;
BEGIN
    IF v_room <= 0 THEN
        -- Unless it is there already.
        v_numbers := (SELECT numbers FROM bxhook.batch WHERE key = a_key);
        RETURN QUERY SELECT unnest(v_numbers), false;
        RETURN;
    END IF;
    -- Until the commit: it says that beyond this number some are to come.
    PERFORM pg_advisory_xact_lock_shared(1652058218,
        (bxhook.last_number() & 2147483647)::integer);
    v_wake := EXISTS (SELECT 1 FROM bxhook.sleeper WHERE asleep);
    v_numbers := ARRAY(SELECT nextval('bxhook.event_number') FROM generate_series(1, v_room));
    INSERT INTO bxhook.batch (key, at, numbers) VALUES (a_key, a_at, v_numbers)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        -- It is committed here, and perhaps not at a standby yet: a write waits for that.
        UPDATE bxhook.batch SET at = at WHERE key = a_key RETURNING numbers INTO v_numbers;
        RETURN QUERY SELECT unnest(v_numbers), v_wake;
        RETURN;
    END IF;
    INSERT INTO bxhook.event (n, received_at, lane, ts, portal, installation, delayed, origin,
        secret, facts, body)
    SELECT x.n, a_received_at[i], nullif(a_lane[i], 0), nullif(a_ts[i], {no_number}), a_portal[i],
        nullif(a_installation[i], 0), nullif(a_delayed[i], 0), coalesce(a_origin[i], 0),
        x.s IS NOT NULL, x.f, x.b
    FROM unnest(v_numbers, a_secret, a_facts, a_body) WITH ORDINALITY AS x (n, s, f, b, i)
    WHERE x.n IS NOT NULL;
    INSERT INTO bxhook.secret (n, data)
    SELECT x.n, x.s FROM unnest(v_numbers, a_secret) AS x (n, s)
    WHERE x.n IS NOT NULL AND x.s IS NOT NULL;
    RETURN QUERY SELECT unnest(v_numbers), v_wake;
END $$;

-- Wakes the workers that sleep, after an add: transactions that notify commit one after another.
CREATE FUNCTION bxhook.wake() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    UPDATE bxhook.sleeper SET asleep = false WHERE asleep;
    IF FOUND THEN
        PERFORM pg_notify('bxhook', '');
    END IF;
END $$;

-- This worker has found nothing and listens: it looks once more when this is committed.
CREATE FUNCTION bxhook.sleep(a_owner bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    INSERT INTO bxhook.sleeper AS s (owner, asleep) VALUES (a_owner, true)
    ON CONFLICT (owner) DO UPDATE SET asleep = true WHERE NOT s.asleep;
END $$;

-- Does what an add does, but for the event; gives the number of unfinished events.
CREATE FUNCTION bxhook.probe(a_key bytea) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO bxhook.batch (key, at, numbers) VALUES (a_key, 0, '{}') ON CONFLICT DO NOTHING;
    DELETE FROM bxhook.batch WHERE key = a_key;
    RETURN bxhook.unfinished();
END $$;
