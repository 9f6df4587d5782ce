-- What a person changes.

-- Dead and cancelled deliveries of an event, with a_done also done ones, wait again; a_extra more
-- attempts are given to each.  Those of 0 waited when they were looked at: they become due if they still
-- wait.  Gives how many.
CREATE FUNCTION bxhook.retry(a_owner bigint, a_shard bigint, a_n bigint, a_hook bigint[],
    a_extra bigint[], a_done boolean, a_now bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_old record;
    v_count bigint := 0;
BEGIN
    PERFORM bxhook.lock_lanes();
    v_count := bxhook.make_due(a_n, ARRAY(SELECT h FROM unnest(a_hook, a_extra) AS u (h, x)
        WHERE x = 0), a_now);
    FOR v_old IN
        SELECT e.d, e.state, e.laned, e.attempt, u.x AS extra FROM unnest(a_hook, a_extra) AS u (h, x)
        CROSS JOIN LATERAL (SELECT * FROM bxhook.ended AS e
            WHERE e.d = (a_n << 16 | u.h) OFFSET 0) AS e
        WHERE u.x > 0 AND (e.state IN ({dead}, {cancelled}) OR a_done AND e.state = {done})
        ORDER BY e.d
    LOOP
        PERFORM bxhook.count_events(a_shard, CASE WHEN EXISTS (SELECT 1 FROM bxhook.open
            WHERE d BETWEEN a_n << 16 AND a_n << 16 | 65535) THEN 0 ELSE -1 END, 0, 0);
        INSERT INTO bxhook.attempt (d, attempt, result, started_at, ended_at, seed, exit, signal,
            note, out_bytes, err_bytes, out, err)
        SELECT d, attempt, result, started_at, at, seed, exit, signal, note, out_bytes, err_bytes,
            out, err FROM bxhook.ended WHERE d = v_old.d AND result IS NOT NULL;
        DELETE FROM bxhook.ended WHERE d = v_old.d;
        PERFORM bxhook.open_one(v_old.d, v_old.laned, v_old.attempt, v_old.attempt + v_old.extra,
            a_now);
        PERFORM bxhook.link(v_old.d, a_now);
        PERFORM bxhook.count_deliveries(a_shard, ARRAY[v_old.d], ARRAY[v_old.state::bigint],
            ARRAY[{waiting}::bigint], NULL);
        v_count := v_count + 1;
    END LOOP;
    PERFORM bxhook.count_fellows(a_n);
    PERFORM bxhook.wake_others(a_owner);
    RETURN v_count;
END $$;

-- Those of an event that wait are due; one that is claimed and has not begun is.  Gives how many.
CREATE FUNCTION bxhook.make_due(a_n bigint, a_hook bigint[], a_now bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_runs bigint[] := ARRAY(SELECT r FROM bxhook.holder AS h, unnest(h.running) AS u (r)
        WHERE r BETWEEN a_n << 16 AND a_n << 16 | 65535);
    v_open record;
    v_turn boolean;
    v_count bigint := 0;
BEGIN
    FOR v_open IN
        SELECT d, due_at FROM bxhook.open WHERE d BETWEEN a_n << 16 AND a_n << 16 | 65535
            AND d & 65535 = ANY (a_hook) AND d <> ALL (v_runs) ORDER BY d
    LOOP
        v_count := v_count + 1;
        CONTINUE WHEN v_open.due_at <= a_now;
        v_turn := bxhook.take_turn(v_open.d);
        UPDATE bxhook.open SET due_at = a_now WHERE d = v_open.d;
        IF v_turn THEN
            PERFORM bxhook.give_turns(ARRAY[v_open.d], a_now);
        END IF;
    END LOOP;
    RETURN v_count;
END $$;

-- A skipped event is new again.
CREATE FUNCTION bxhook.renew(a_owner bigint, a_shard bigint, a_n bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM bxhook.lock_matching();
    DELETE FROM bxhook.skipped WHERE n = a_n;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    DELETE FROM bxhook.refusal WHERE n = a_n;
    INSERT INTO bxhook.unmatched (n) SELECT a_n FROM bxhook.world WHERE matched >= a_n;
    PERFORM bxhook.count_events(a_shard, -1, 0, -1);
    PERFORM bxhook.wake_others(a_owner);
    RETURN true;
END $$;

-- A skipped event is not to be matched again; false: it was not to be.
CREATE FUNCTION bxhook.give_up(a_n bigint, a_now bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM bxhook.lock_matching();
    UPDATE bxhook.skipped SET retryable = false, reason = 'cancelled', at = a_now
    WHERE n = a_n AND retryable;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    DELETE FROM bxhook.secret WHERE n = a_n;
    RETURN true;
END $$;

-- A new event is cancelled; false: it is not new any more.
CREATE FUNCTION bxhook.cancel_new(a_shard bigint, a_n bigint, a_now bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM bxhook.lock_matching();
    IF cardinality(bxhook.still_new(ARRAY[a_n])) = 0 THEN
        RETURN false;
    END IF;
    DELETE FROM bxhook.unmatched WHERE n = a_n;
    INSERT INTO bxhook.skipped (n, at, retryable, reason) VALUES (a_n, a_now, false, 'cancelled');
    DELETE FROM bxhook.secret WHERE n = a_n;
    PERFORM bxhook.count_events(a_shard, 1, 0, 1);
    RETURN true;
END $$;

-- How many numbers before this one no worker has come to.
CREATE FUNCTION bxhook.unmatched_before(a_n bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT greatest(a_n - 1 - matched, 0) FROM bxhook.world
$$;

-- Makes the delivery of an event for a hook that did not take it, whose refusal is in a_refused no
-- more; false when there is one, or the event is new, or gone.
CREATE FUNCTION bxhook.deliver(a_owner bigint, a_shard bigint, a_d bigint, a_ordered boolean,
    a_max bigint, a_refused bytea, a_now bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v_n bigint := a_d >> 16;
    v_skipped bigint;
    v_open boolean;
BEGIN
    PERFORM bxhook.lock_lanes();
    IF NOT EXISTS (SELECT 1 FROM bxhook.event WHERE n = v_n)
            OR cardinality(bxhook.still_new(ARRAY[v_n])) = 1
            OR EXISTS (SELECT 1 FROM bxhook.open WHERE d = a_d)
            OR EXISTS (SELECT 1 FROM bxhook.ended WHERE d = a_d) THEN
        RETURN false;
    END IF;
    IF v_n > bxhook.seen_up_to() THEN
        RAISE EXCEPTION 'events before it are under way' USING ERRCODE = 'lock_not_available';
    END IF;
    PERFORM bxhook.pass(a_shard, v_n, ARRAY[v_n]);
    DELETE FROM bxhook.skipped WHERE n = v_n;
    GET DIAGNOSTICS v_skipped = ROW_COUNT;
    UPDATE bxhook.refusal SET list = a_refused WHERE n = v_n;
    v_open := EXISTS (SELECT 1 FROM bxhook.open WHERE d BETWEEN v_n << 16 AND v_n << 16 | 65535);
    PERFORM bxhook.open_one(a_d, a_ordered, 0, a_max, a_now);
    PERFORM bxhook.link(a_d, a_now);
    PERFORM bxhook.count_fellows(v_n);
    PERFORM bxhook.count_deliveries(a_shard, ARRAY[a_d], NULL, ARRAY[{waiting}::bigint], NULL);
    PERFORM bxhook.count_events(a_shard, CASE WHEN v_open THEN 0 ELSE -1 END, v_skipped, -v_skipped);
    PERFORM bxhook.wake_others(a_owner);
    RETURN true;
END $$;

-- Cancels what of these deliveries waits, and with a_kill marks what runs; gives what became of
-- each: 0 nothing, 1 cancelled, 2 marked, 3 it runs and stays.
CREATE FUNCTION bxhook.cancel(a_owner bigint, a_shard bigint, a_n bigint, a_hook bigint[],
    a_kill boolean, a_now bigint) RETURNS TABLE (hook bigint, did bigint) LANGUAGE plpgsql AS $$
DECLARE
    v_claimed bigint[];
    v_d bigint;
BEGIN
    PERFORM bxhook.lock_lanes();
    v_claimed := ARRAY(SELECT c FROM bxhook.claimed() AS c);
    FOREACH hook IN ARRAY a_hook LOOP
        v_d := a_n << 16 | hook;
        did := 0;
        IF EXISTS (SELECT 1 FROM bxhook.open WHERE d = v_d) THEN
            IF v_d <> ALL (v_claimed) THEN
                PERFORM bxhook.end_waiting(a_shard, v_d, {cancelled}, NULL, a_now);
                did := 1;
            ELSIF a_kill THEN
                INSERT INTO bxhook.kill_request (d) VALUES (v_d) ON CONFLICT DO NOTHING;
                did := 2;
            ELSE
                did := 3;
            END IF;
        END IF;
        RETURN NEXT;
    END LOOP;
    PERFORM pg_notify('bxhook', '');
END $$;
