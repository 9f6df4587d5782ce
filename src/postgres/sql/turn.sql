-- A worker's turn: the ends of its runs and its next claims, in one call.

-- Nobody changes lanes meanwhile, but at their heads; true: nobody else has a turn either, since one
-- of those that wait again has its place behind others that were put back before it.
CREATE FUNCTION bxhook.begin_turn(a_d bigint[], a_next bigint[]) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    IF {waiting} = ANY (a_next) AND EXISTS (
            SELECT 1 FROM bxhook.open WHERE d = ANY (a_d) AND next < d) THEN
        PERFORM bxhook.lock_lanes();
        RETURN true;
    END IF;
    PERFORM pg_advisory_xact_lock_shared(1652058216, 4);
    RETURN false;
END $$;

-- Of runs, one element each: a_d, a_attempt, a_result, a_started and a_seed as they were claimed,
-- a_ended; a_next and a_why what their deliveries become and why, a_due when they wait, a_counts 0 for
-- those that do not count, a_max the attempts that their deliveries have from now on (0: as before);
-- a_output: outputs of which some were saved before.  Those of runs that this worker does not hold, or
-- in another attempt, are passed over.  a_at is the last of a_ended.  a_hooks are those to claim of, in
-- turn, a_room of which may run at a time, within a hook round the portals, from the one after a_last
-- on.  Gives what is claimed; then the hooks that still have something to claim (as d), with a_list 1, or
-- 2 and slots left, but not with 0; and a 0 where more are due than it came to.
-- columns no_claim: NULL::integer, NULL::integer, NULL::integer, NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint, NULL::smallint, NULL::bigint, NULL::bytea, NULL::bytea, NULL::bytea, NULL::boolean, NULL::bytea, NULL::bytea
-- columns claim_row: d, attempt, max_attempts, failures, portal, event_portal, n, received_at, origin, ts, facts, member_id, domain, had_secret, body, secret
CREATE FUNCTION bxhook.turn(a_owner bigint, a_shard bigint, a_now bigint, a_at bigint,
    a_minute_hooks bigint[], a_d bigint[], a_attempt bigint[], a_result bigint[],
    a_started bigint[], a_seed bigint[], a_ended bigint[], a_next bigint[], a_why bytea[],
    a_due bigint[], a_counts bigint[], a_max bigint[], a_exit bigint[], a_signal text[],
    a_note bytea[], a_out bytea[], a_out_bytes bigint[], a_err bytea[], a_err_bytes bigint[],
    a_output bigint[], a_slots bigint, a_hooks bigint[], a_room bigint[], a_last bigint[], a_list bigint)
RETURNS TABLE (d bigint, attempt integer, max_attempts integer, failures integer, portal bigint,
    event_portal bigint, n bigint, received_at bigint, origin smallint, ts bigint, facts bytea,
    member_id bytea, domain bytea, had_secret boolean, body bytea, secret bytea)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_alone boolean := bxhook.begin_turn(a_d, a_next);
    v_over bigint[] := '{}';
    v_more boolean;
    v_held boolean;
    v_claimed bigint := 0;
BEGIN
    IF a_d IS NOT NULL THEN
        v_over := bxhook.finish(a_owner, a_shard, a_at, a_minute_hooks, v_alone, a_d, a_attempt,
            a_result, a_started, a_seed, a_ended, a_next, a_why, a_due, a_counts, a_max, a_exit,
            a_signal, a_note, a_out, a_out_bytes, a_err, a_err_bytes);
        IF a_output IS NOT NULL THEN
            DELETE FROM bxhook.output AS o WHERE o.d = ANY (a_output);
        END IF;
    END IF;
    IF a_slots = 0 OR a_hooks IS NULL THEN
        v_held := bxhook.hold(a_owner, v_over, '{}');
    END IF;
    IF a_slots = 0 THEN
        RETURN;
    END IF;
    v_more := bxhook.call_due(a_now);
    IF a_hooks IS NOT NULL THEN
        RETURN QUERY SELECT {claim_row}
        FROM bxhook.claim(a_owner, v_over, a_slots, a_hooks, a_room, a_last);
        GET DIAGNOSTICS v_claimed = ROW_COUNT;
    END IF;
    IF v_more THEN
        RETURN QUERY SELECT 0::bigint, {no_claim};
    END IF;
    IF a_list = 1 OR a_list = 2 AND v_claimed < a_slots THEN
        RETURN QUERY SELECT h, {no_claim} FROM bxhook.ready_hooks() AS h;
    END IF;
END $$;

-- These workers, whose rows are locked, hold these no more.
CREATE FUNCTION bxhook.drop_held(a_owners bigint[], a_d bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_owner bigint;
BEGIN
    FOREACH v_owner IN ARRAY a_owners LOOP
        PERFORM bxhook.hold(v_owner, a_d, '{}');
    END LOOP;
END $$;

-- A worker holds a_added now, and a_over no more.
CREATE FUNCTION bxhook.hold(a_owner bigint, a_over bigint[], a_added bigint[]) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    IF cardinality(a_over) > 0 THEN
        UPDATE bxhook.holder SET running = '{}', started = '{}', seeds = '{}',
            held = ARRAY(SELECT h FROM unnest(held) AS u (h) WHERE h <> ALL (a_over)) || a_added
        WHERE owner = a_owner AND running <@ a_over;
        IF FOUND THEN
            RETURN true;
        END IF;
        UPDATE bxhook.holder SET running = left_over.r, started = left_over.s, seeds = left_over.q,
            held = ARRAY(SELECT h FROM unnest(held) AS u (h) WHERE h <> ALL (a_over)) || a_added
        FROM (SELECT array_agg(r) AS r, array_agg(s) AS s, array_agg(q) AS q
            FROM bxhook.holder AS h, unnest(h.running, h.started, h.seeds) AS u (r, s, q)
            WHERE h.owner = a_owner AND r <> ALL (a_over)) AS left_over
        WHERE owner = a_owner;
    ELSIF cardinality(a_added) > 0 THEN
        UPDATE bxhook.holder SET held = held || a_added WHERE owner = a_owner;
    ELSE
        RETURN true;
    END IF;
    IF NOT FOUND AND cardinality(a_added) > 0 THEN
        INSERT INTO bxhook.holder AS h (owner, held) VALUES (a_owner, a_added)
        ON CONFLICT (owner) DO UPDATE SET held = h.held || excluded.held;
    END IF;
    RETURN true;
END $$;

-- Of runs that a_owner does not hold all: those that it does, or that others have taken over from it,
-- who have them under their seeds, and who has each.  What is claimed anew is another run.
CREATE FUNCTION bxhook.lock_holders(a_owner bigint, a_d bigint[], a_seed bigint[])
RETURNS TABLE (owners bigint[], runs bigint[]) LANGUAGE sql AS $$
    SELECT array_agg(owner), array_agg(d) FROM (
        SELECT owner, held, running, seeds FROM bxhook.holder ORDER BY owner FOR UPDATE) AS h
    CROSS JOIN LATERAL (
        SELECT r AS d FROM unnest(h.running, h.seeds) AS u (r, q)
        WHERE h.owner = a_owner OR q = a_seed[array_position(a_d, r)]
        UNION ALL
        SELECT c FROM unnest(h.held) AS u (c) WHERE h.owner = a_owner) AS of
    WHERE d = ANY (a_d)
$$;

-- Gives those of the runs that have ended their deliveries and are still to be taken from what a_owner
-- holds.

CREATE FUNCTION bxhook.finish(a_owner bigint, a_shard bigint, a_at bigint,
    a_minute_hooks bigint[], a_alone boolean, a_d bigint[], a_attempt bigint[], a_result bigint[],
    a_started bigint[], a_seed bigint[], a_ended bigint[], a_next bigint[], a_why bytea[],
    a_due bigint[], a_counts bigint[], a_max bigint[], a_exit bigint[], a_signal text[],
    a_note bytea[], a_out bytea[], a_out_bytes bigint[], a_err bytea[], a_err_bytes bigint[])
RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    v_mine bigint[];
    v_owners bigint[] := ARRAY[a_owner];
    v_kills bigint[];
    v_next bigint[] := a_next;
    v_ended bigint[] := a_d;
    v_failed bigint[];
    v_over bigint[];
BEGIN
    -- Nobody takes over what this worker holds meanwhile, or it has nothing any more.
    SELECT held || running INTO v_mine FROM bxhook.holder WHERE owner = a_owner FOR UPDATE;
    IF v_mine @> a_d IS NOT TRUE THEN
        SELECT owners, runs INTO v_owners, v_mine FROM bxhook.lock_holders(a_owner, a_d, a_seed);
    END IF;
    IF v_mine IS NULL THEN
        RETURN '{}';
    END IF;
    v_kills := ARRAY(SELECT d FROM bxhook.kill_request);
    IF v_kills && a_d THEN
        -- A run that a person wants ended is not repeated, however it ended.
        v_next := ARRAY(SELECT CASE WHEN s = {waiting} AND d = ANY (v_kills) THEN {cancelled}
            ELSE s END FROM unnest(a_d, a_next) AS u (d, s));
    END IF;
    IF {waiting} = ANY (v_next) OR NOT v_mine @> a_d THEN
        SELECT array_agg(d) FILTER (WHERE s <> {waiting}), array_agg(d) FILTER (WHERE s = {waiting})
        INTO v_ended, v_failed FROM unnest(a_d, v_next) AS u (d, s) WHERE d = ANY (v_mine);
    END IF;
    IF v_failed IS NOT NULL THEN
        -- In the order in which everybody locks them, not first those that have ended.
        PERFORM 1 FROM bxhook.open WHERE d = ANY (v_mine) AND d = ANY (a_d) ORDER BY d FOR UPDATE;
    END IF;
    IF a_minute_hooks IS NOT NULL THEN
        PERFORM bxhook.begin_minute(a_shard, a_at / 60000, a_minute_hooks);
    END IF;
    v_over := bxhook.finish_ended(a_shard, a_at, v_ended, a_d, a_attempt, a_result, a_started,
        a_seed, a_ended, v_next, a_why, a_counts, a_max, a_exit, a_signal, a_note, a_out,
        a_out_bytes, a_err, a_err_bytes);
    IF v_failed IS NOT NULL THEN
        PERFORM bxhook.finish_failed(v_owners, a_shard, a_at, a_alone, v_failed, a_d, a_attempt, a_result,
            a_started, a_seed, a_ended, v_next, a_why, a_due, a_counts, a_max, a_exit, a_signal,
            a_note, a_out, a_out_bytes, a_err, a_err_bytes);
    END IF;
    IF v_kills && a_d THEN
        DELETE FROM bxhook.kill_request AS w WHERE d = ANY (a_d)
            AND NOT EXISTS (SELECT 1 FROM bxhook.open AS o WHERE o.d = w.d);
    END IF;
    IF v_owners <> ARRAY[a_owner] THEN
        PERFORM bxhook.drop_held(v_owners, v_over);
        RETURN '{}';
    END IF;
    RETURN v_over;
END $$;

-- The counters of these hooks as they are when a minute begins.
CREATE FUNCTION bxhook.begin_minute(a_shard bigint, a_minute bigint, a_hooks bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO bxhook.hook_minute (hook, shard, minute, done, failed, dead)
    SELECT u.h, a_shard, a_minute, coalesce(t.ran_done, 0),
        coalesce(t.ran_failed + t.ran_timeout + t.ran_lost, 0), coalesce(t.ended_dead, 0)
    FROM unnest(a_hooks) AS u (h)
    LEFT JOIN bxhook.hook_tally AS t ON t.hook = u.h AND t.shard = a_shard
    ON CONFLICT DO NOTHING;
    DELETE FROM bxhook.hook_minute
    WHERE hook = ANY (a_hooks) AND shard = a_shard AND minute < a_minute - 70;
END $$;

-- Those that end their deliveries, a_of; gives which did.
CREATE FUNCTION bxhook.finish_ended(a_shard bigint, a_at bigint, a_of bigint[], a_d bigint[],
    a_attempt bigint[], a_result bigint[], a_started bigint[], a_seed bigint[], a_ended bigint[],
    a_next bigint[], a_why bytea[], a_counts bigint[], a_max bigint[], a_exit bigint[],
    a_signal text[], a_note bytea[], a_out bytea[], a_out_bytes bigint[], a_err bytea[],
    a_err_bytes bigint[]) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    v_gone record;
    v_told boolean;
BEGIN
    WITH gone AS (
        DELETE FROM bxhook.open
        WHERE d = ANY (a_of) AND attempt = a_attempt[array_position(a_d, d)] - 1
        RETURNING d, next, fellows, lane, max_attempts, array_position(a_d, d) AS i
    ), kept AS (
        INSERT INTO bxhook.ended (d, state, at, attempt, max_attempts, laned, reason, result,
            started_at, seed, exit, signal, note, out_bytes, err_bytes, out, err)
        SELECT d, a_next[i], a_ended[i], a_attempt[i],
            coalesce(nullif(a_max[i], 0), max_attempts) + (a_counts[i] = 0)::integer,
            lane IS NOT NULL, a_why[i], a_result[i], a_started[i], a_seed[i], a_exit[i],
            a_signal[i], a_note[i], a_out_bytes[i], a_err_bytes[i], a_out[i], a_err[i] FROM gone
    )
    SELECT array_agg(d) AS d, array_agg(a_next[i]) AS state, array_agg(a_result[i]) AS result,
        array_agg(next) FILTER (WHERE next IS NOT NULL) AS next,
        array_agg(d >> 16) FILTER (WHERE fellows = 1 AND a_next[i] <> {dead}) AS erased,
        count(*) FILTER (WHERE fellows = 1) AS finished,
        array_agg(d >> 16) FILTER (WHERE fellows > 1) AS shared
    INTO v_gone FROM gone;
    IF v_gone.d IS NULL THEN
        RETURN '{}';
    END IF;
    DELETE FROM bxhook.secret WHERE n = ANY (v_gone.erased);
    IF v_gone.shared IS NOT NULL THEN
        v_gone.finished := v_gone.finished + bxhook.finish_events(v_gone.shared);
    END IF;
    -- Another statement: it sees those that were linked to one while that was waited for.
    v_told := bxhook.give_turns(v_gone.next, a_at);
    v_told := bxhook.count_deliveries(a_shard, v_gone.d,
        array_fill({waiting}::bigint, ARRAY[cardinality(v_gone.d)]), v_gone.state, v_gone.result);
    v_told := bxhook.count_events(a_shard, v_gone.finished, 0, 0);
    RETURN v_gone.d;
END $$;

-- Those after which their deliveries, a_of, wait again.
CREATE FUNCTION bxhook.finish_failed(a_owners bigint[], a_shard bigint, a_at bigint, a_alone boolean,
    a_of bigint[], a_d bigint[], a_attempt bigint[], a_result bigint[], a_started bigint[], a_seed bigint[], a_ended bigint[],
    a_next bigint[], a_why bytea[], a_due bigint[], a_counts bigint[], a_max bigint[],
    a_exit bigint[], a_signal text[], a_note bytea[], a_out bytea[], a_out_bytes bigint[],
    a_err bytea[], a_err_bytes bigint[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_again record;
BEGIN
    WITH again AS (
        UPDATE bxhook.open AS o SET attempt = a_attempt[i], due_at = a_due[i], reason = a_why[i],
            failed_at = CASE WHEN a_counts[i] <> 0 THEN coalesce(o.failed_at, a_ended[i])
                ELSE o.failed_at END,
            failures = o.failures
                + (a_result[i] IN ({ran_failed}, {ran_timeout}, {ran_lost}))::integer,
            max_attempts = coalesce(nullif(a_max[i], 0), o.max_attempts)
                + (a_counts[i] = 0)::integer
        FROM unnest(a_d) WITH ORDINALITY AS u (d, i)
        WHERE o.d = u.d AND o.d = ANY (a_of) AND o.attempt = a_attempt[i] - 1
        RETURNING o.d, o.next, i
    ), kept AS (
        INSERT INTO bxhook.attempt (d, attempt, result, started_at, ended_at, seed, exit, signal,
            note, out_bytes, err_bytes, out, err)
        SELECT d, a_attempt[i], a_result[i], a_started[i], a_ended[i], a_seed[i], a_exit[i],
            a_signal[i], a_note[i], a_out_bytes[i], a_err_bytes[i], a_out[i], a_err[i] FROM again
    )
    SELECT array_agg(d) AS d, array_agg(a_result[i]) AS result,
        array_agg(d) FILTER (WHERE next IS NULL OR next > d) AS first,
        array_agg(d) FILTER (WHERE next < d) AS behind
    INTO v_again FROM again;
    IF v_again.d IS NULL THEN
        RETURN;
    END IF;
    PERFORM bxhook.drop_held(a_owners, v_again.d);
    IF v_again.behind IS NOT NULL AND NOT a_alone THEN
        RAISE EXCEPTION 'put back before it meanwhile' USING ERRCODE = 'serialization_failure';
    END IF;
    PERFORM bxhook.give_turns(v_again.first, a_at);
    PERFORM bxhook.put_behind(d, a_at) FROM unnest(v_again.behind) AS u (d);
    PERFORM bxhook.count_deliveries(a_shard, v_again.d, NULL, NULL, v_again.result);
END $$;

-- One that was claimed and waits again goes behind those of its lane that come before it.
CREATE FUNCTION bxhook.put_behind(a_d bigint, a_now bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_next bigint := (SELECT next FROM bxhook.open WHERE d = a_d);
BEGIN
    UPDATE bxhook.open SET next = NULL WHERE d = a_d AND next IS NOT NULL;
    PERFORM bxhook.give_turns(ARRAY[v_next], a_now) WHERE v_next IS NOT NULL;
    PERFORM bxhook.link(a_d, a_now);
END $$;

-- -- Claiming

-- Makes those claimable whose time has come, a thousand at most; true: there may be more.
CREATE FUNCTION bxhook.call_due(a_now bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v_called bigint;
BEGIN
    IF NOT EXISTS (SELECT 1 FROM bxhook.due WHERE at <= a_now) THEN
        RETURN false;
    END IF;
    -- By their places: whatever the planner thinks of it, no row is looked for among all.
    WITH called AS (
        DELETE FROM bxhook.due WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM bxhook.due WHERE at <= a_now ORDER BY at LIMIT 1000
            FOR UPDATE SKIP LOCKED)) RETURNING at, d
    ), put AS (
        INSERT INTO bxhook.ready (hook, portal, d, at)
        SELECT c.d & 65535, o.portal, c.d, c.at FROM called AS c
        CROSS JOIN LATERAL (SELECT portal FROM bxhook.open WHERE d = c.d OFFSET 0) AS o
    )
    SELECT count(*) INTO v_called FROM called;
    RETURN v_called = 1000;
END $$;

-- The hooks that have something claimable.
CREATE FUNCTION bxhook.ready_hooks() RETURNS SETOF bigint LANGUAGE plpgsql AS $$
DECLARE
    v_hook bigint := 0;
BEGIN
    LOOP
        SELECT hook INTO v_hook FROM bxhook.ready WHERE hook > v_hook ORDER BY hook LIMIT 1;
        EXIT WHEN NOT FOUND;
        RETURN NEXT v_hook;
    END LOOP;
END $$;

-- The portals of a hook that have something claimable, from the one after a_last on, round; a_most.
CREATE FUNCTION bxhook.ready_portals(a_hook bigint, a_last bigint, a_most bigint)
RETURNS SETOF bigint LANGUAGE plpgsql AS $$
DECLARE
    v_portal bigint := a_last;
    v_round boolean := false;
BEGIN
    FOR i IN 1 .. a_most LOOP
        SELECT portal INTO v_portal FROM bxhook.ready
        WHERE hook = a_hook AND portal > v_portal ORDER BY portal LIMIT 1;
        IF v_portal IS NULL AND NOT v_round THEN
            v_round := true;
            SELECT portal INTO v_portal FROM bxhook.ready WHERE hook = a_hook
            ORDER BY portal LIMIT 1;
        END IF;
        EXIT WHEN v_portal IS NULL OR v_round AND v_portal > a_last;
        RETURN NEXT v_portal;
    END LOOP;
END $$;

-- a_over: what has ended in this transaction, and is still held.  Of portals the session knows what
-- they are.
-- columns claimed_event: e.n, e.received_at, e.origin, e.ts, e.facts, NULL::bytea, NULL::bytea, e.secret
CREATE FUNCTION bxhook.claim(a_owner bigint, a_over bigint[], a_slots bigint, a_hooks bigint[],
    a_room bigint[], a_last bigint[])
RETURNS TABLE (d bigint, attempt integer, max_attempts integer, failures integer, portal bigint,
    event_portal bigint, n bigint, received_at bigint, origin smallint, ts bigint, facts bytea,
    member_id bytea, domain bytea, had_secret boolean, body bytea, secret bytea)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_claimed bigint[];
    v_d bigint[];
    v_held boolean;
BEGIN
    PERFORM pg_advisory_xact_lock(1652058216, 2);
    v_claimed := ARRAY(SELECT c FROM bxhook.claimed() AS c WHERE c <> ALL (a_over));
    v_d := bxhook.choose(a_slots, a_hooks, ARRAY(
        SELECT greatest(0, r - (SELECT count(*) FROM unnest(v_claimed) AS c (d)
            WHERE c.d & 65535 = h))
        FROM unnest(a_hooks, a_room) AS u (h, r)), a_last);
    v_held := bxhook.hold(a_owner, a_over, v_d);
    IF cardinality(v_d) = 0 THEN
        RETURN;
    END IF;
    -- Whatever is missing of the event: it is claimed.
    RETURN QUERY
    SELECT u.d, o.attempt + 1, o.max_attempts, o.failures, o.portal, e.portal, {claimed_event},
        e.body, s.data
    FROM unnest(v_d) AS u (d)
    CROSS JOIN LATERAL (SELECT * FROM bxhook.open AS o WHERE o.d = u.d OFFSET 0) AS o
    LEFT JOIN LATERAL (SELECT * FROM bxhook.event AS e WHERE e.n = u.d >> 16 OFFSET 0) AS e ON true
    LEFT JOIN LATERAL (SELECT * FROM bxhook.secret AS s WHERE s.n = u.d >> 16 OFFSET 0) AS s ON true;
END $$;

-- bxhook.dispatch, and a claim of what it has made claimable, or others.
CREATE FUNCTION bxhook.dispatch_and_claim(a_owner bigint, a_shard bigint, a_now bigint, a_seen bigint,
    a_n bigint[], a_skip bytea[], a_retryable bigint[], a_refused bytea[], a_more bigint[],
    a_d bigint[], a_ordered bigint[], a_coalesce bigint[], a_max bigint[], a_due bigint[],
    a_why bytea[], a_slots bigint, a_hooks bigint[], a_room bigint[], a_last bigint[])
RETURNS TABLE (d bigint, attempt integer, max_attempts integer, failures integer, portal bigint,
    event_portal bigint, n bigint, received_at bigint, origin smallint, ts bigint, facts bytea,
    member_id bytea, domain bytea, had_secret boolean, body bytea, secret bytea)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM bxhook.dispatch(a_owner, a_shard, a_now, a_seen, a_n, a_skip, a_retryable, a_refused,
        a_more, a_d, a_ordered, a_coalesce, a_max, a_due, a_why);
    IF a_hooks IS NOT NULL THEN
        PERFORM pg_advisory_xact_lock_shared(1652058216, 4);
        PERFORM bxhook.call_due(a_now);
        RETURN QUERY SELECT {claim_row}
        FROM bxhook.claim(a_owner, '{}', a_slots, a_hooks, a_room, a_last);
    END IF;
END $$;

-- Takes up to a_slots from `ready`, in turn.  Nobody else does meanwhile.
CREATE FUNCTION bxhook.choose(a_slots bigint, a_hooks bigint[], a_room bigint[], a_last bigint[])
RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    v_room bigint[] := a_room;
    v_last bigint[] := a_last;
    v_at integer;
    v_new record;
    v_all bigint[] := '{}';
BEGIN
    IF cardinality(a_hooks) = 1 THEN
        v_all := bxhook.choose_of_one(a_hooks[1], least(a_slots, a_room[1]));
        IF v_all IS NOT NULL THEN
            RETURN v_all;
        END IF;
        v_all := '{}';
    END IF;
    WHILE cardinality(v_all) < a_slots LOOP
        SELECT * INTO v_new
        FROM bxhook.choose_round(a_slots - cardinality(v_all), a_hooks, v_room, v_last);
        EXIT WHEN v_new.d IS NULL;
        v_all := v_all || v_new.d;
        FOR i IN 1 .. cardinality(v_new.d) LOOP
            v_at := array_position(a_hooks, v_new.d[i] & 65535);
            v_room[v_at] := v_room[v_at] - 1;
            v_last[v_at] := v_new.portal[i];
        END LOOP;
    END LOOP;
    RETURN v_all;
END $$;

-- Of a hook all of whose deliveries are of one portal; NULL: they are of several.
CREATE FUNCTION bxhook.choose_of_one(a_hook bigint, a_most bigint) RETURNS bigint[]
LANGUAGE plpgsql AS $$
DECLARE
    v_portal bigint;
    v_last bigint;
    v_at tid[];
    v_d bigint[];
BEGIN
    SELECT array_agg(at), array_agg(d), min(portal),
        (SELECT portal FROM bxhook.ready WHERE hook = a_hook ORDER BY portal DESC LIMIT 1)
    INTO v_at, v_d, v_portal, v_last FROM (
        SELECT ctid AS at, d, portal FROM bxhook.ready WHERE hook = a_hook
        ORDER BY portal, d LIMIT a_most) AS first;
    IF v_d IS NULL THEN
        RETURN '{}';
    END IF;
    IF v_portal <> v_last THEN
        RETURN NULL;
    END IF;
    DELETE FROM bxhook.ready WHERE ctid = ANY (v_at);
    RETURN v_d;
END $$;

-- As many of each portal as it gets when all have enough.  If some have not, the others' share is
-- looked for once more.
CREATE FUNCTION bxhook.choose_round(a_slots bigint, a_hooks bigint[], a_room bigint[],
    a_last bigint[]) RETURNS TABLE (d bigint[], portal bigint[]) LANGUAGE sql AS $$
    WITH of_portal AS (
        SELECT h.hook, h.room, h.i, p.portal, p.o, count(*) OVER (PARTITION BY h.i) AS of
        FROM unnest(a_hooks, a_room, a_last) WITH ORDINALITY AS h (hook, room, last, i)
        CROSS JOIN LATERAL bxhook.ready_portals(h.hook, h.last, least(h.room, a_slots))
            WITH ORDINALITY AS p (portal, o)
    ), ranked AS (
        SELECT p.room, p.i, p.portal, r.at, r.d,
            row_number() OVER (PARTITION BY p.i ORDER BY r.k, p.o) AS place
        FROM of_portal AS p CROSS JOIN LATERAL (
            SELECT r.ctid AS at, r.d, row_number() OVER (ORDER BY r.d) AS k
            FROM bxhook.ready AS r WHERE r.hook = p.hook AND r.portal = p.portal ORDER BY r.d
            LIMIT (least(p.room, a_slots) + p.of - 1) / p.of) AS r
    ), chosen AS MATERIALIZED (
        SELECT at, d, portal, place, i FROM ranked WHERE place <= room
        ORDER BY place, i LIMIT a_slots
    ), taken AS (
        DELETE FROM bxhook.ready WHERE ctid = ANY (ARRAY(SELECT at FROM chosen))
    )
    SELECT array_agg(d ORDER BY place, i), array_agg(portal ORDER BY place, i) FROM chosen
$$;

-- The runs of these claims begin; gives those that this worker still holds, and that may.  Not awaited:
-- were it lost, with the server, the runs would be repeated and not be counted as lost.  Who takes over
-- what this worker claimed waits, or it has and nothing is found here.
CREATE FUNCTION bxhook.start(a_owner bigint, a_seed bigint, a_now bigint, a_d bigint[])
RETURNS SETOF bigint LANGUAGE plpgsql AS $$
DECLARE
    v_running bigint[];
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    UPDATE bxhook.holder SET running = running || held,
        started = started || array_fill(a_now, ARRAY[cardinality(held)]),
        seeds = seeds || array_fill(a_seed, ARRAY[cardinality(held)]), held = '{}'
    WHERE owner = a_owner AND held <@ a_d RETURNING running INTO v_running;
    IF FOUND THEN
        RETURN QUERY SELECT d FROM unnest(a_d) AS u (d) WHERE d = ANY (v_running);
        RETURN;
    END IF;
    UPDATE bxhook.holder SET
        running = running || ARRAY(SELECT h FROM unnest(held) AS u (h) WHERE h = ANY (a_d)),
        started = started || ARRAY(SELECT a_now FROM unnest(held) AS u (h) WHERE h = ANY (a_d)),
        seeds = seeds || ARRAY(SELECT a_seed FROM unnest(held) AS u (h) WHERE h = ANY (a_d)),
        held = ARRAY(SELECT h FROM unnest(held) AS u (h) WHERE h <> ALL (a_d))
    WHERE owner = a_owner RETURNING running INTO v_running;
    RETURN QUERY SELECT d FROM unnest(a_d) AS u (d) WHERE d = ANY (v_running);
END $$;

CREATE FUNCTION bxhook.next_due() RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT min(at) FROM bxhook.due
$$;

CREATE FUNCTION bxhook.kill_requests() RETURNS TABLE (d bigint) LANGUAGE sql STABLE AS $$
    SELECT d FROM bxhook.kill_request ORDER BY d
$$;

-- What a run that is under way has written so far.
CREATE FUNCTION bxhook.save_output(a_d bigint, a_attempt bigint, a_out bytea, a_out_bytes bigint,
    a_err bytea, a_err_bytes bigint) RETURNS void LANGUAGE sql AS $$
    INSERT INTO bxhook.output (d, out, out_bytes, err, err_bytes)
    SELECT a_d, a_out, a_out_bytes, a_err, a_err_bytes FROM bxhook.open
    WHERE d = a_d AND attempt = a_attempt - 1 AND a_d IN (SELECT c FROM bxhook.claimed() AS c)
    ON CONFLICT (d) DO UPDATE SET out = excluded.out, out_bytes = excluded.out_bytes,
        err = excluded.err, err_bytes = excluded.err_bytes
$$;
