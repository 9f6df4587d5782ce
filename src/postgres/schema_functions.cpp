// The functions of schema version 1.0: each change of the store is one statement, so that locks are
// held for no round trip, and one transaction.  Parameters are a_NAME, variables v_NAME.
//
// They run in READ COMMITTED, where each statement sees what was committed before it: after a lock
// was waited for, what its holder did is seen.
#include "postgres/schema.h"

namespace bx {

const char* const schema_functions_shared = R"(
CREATE FUNCTION bxhook.now_ms() RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint
$$;

CREATE FUNCTION bxhook.state_name(a_state integer) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT (ARRAY['waiting', 'running', 'done', 'dead', 'merged', 'cancelled'])[a_state + 1]
$$;

CREATE FUNCTION bxhook.lane_key(a_hook text, a_portal bytea, a_lane bytea) RETURNS integer
LANGUAGE sql IMMUTABLE AS $$
    SELECT hashtext(a_hook || ' ' || encode(a_portal, 'hex') || ' ' || encode(a_lane, 'hex'))
$$;

CREATE FUNCTION bxhook.lock_lanes(a_keys integer[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_key integer;
BEGIN
    FOR v_key IN SELECT DISTINCT k FROM unnest(a_keys) AS k WHERE k IS NOT NULL ORDER BY k LOOP
        PERFORM pg_advisory_xact_lock(1652058217, v_key);
    END LOOP;
END $$;

-- Adds to the counters, in the order of their names, so that two who do cannot wait for each other.
CREATE FUNCTION bxhook.count_up(a_shard integer, a_hooks text[], a_whats text[], a_bys bigint[])
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO bxhook.tally AS t (hook, what, shard, n)
    SELECT h, w, a_shard, sum(b) FROM unnest(a_hooks, a_whats, a_bys) AS u (h, w, b)
    GROUP BY h, w HAVING sum(b) <> 0 ORDER BY h, w
    ON CONFLICT (hook, what, shard) DO UPDATE SET n = t.n + excluded.n;
END $$;

-- Gives a lane's turn to whom it belongs; its lock is held.
CREATE FUNCTION bxhook.settle(a_hook text, a_portal bytea, a_lane bytea, a_now bigint)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_head bigint;
BEGIN
    IF a_lane IS NULL THEN
        RETURN;
    END IF;
    -- A claim, which locks no lane, may be taking it: now it cannot any more, or it has.
    PERFORM 1 FROM bxhook.delivery
    WHERE hook = a_hook AND portal = a_portal AND lane = a_lane AND state < 2 AND state = 0
        AND turn IS NOT NULL
    FOR UPDATE;
    SELECT CASE WHEN state = 0 THEN event END INTO v_head FROM bxhook.delivery
    WHERE hook = a_hook AND portal = a_portal AND lane = a_lane AND state < 2
    ORDER BY state DESC, event LIMIT 1;
    UPDATE bxhook.delivery SET turn = NULL
    WHERE hook = a_hook AND portal = a_portal AND lane = a_lane AND state < 2 AND state = 0
        AND turn IS NOT NULL AND event IS DISTINCT FROM v_head;
    UPDATE bxhook.delivery SET turn = CASE WHEN due_at <= a_now THEN 2 ELSE 1 END
    WHERE event = v_head AND hook = a_hook AND turn IS NULL;
END $$;

-- Deliveries of these events have ended, in these states, at these times.
CREATE FUNCTION bxhook.deliveries_ended(a_shard integer, a_events bigint[], a_states integer[],
    a_at bigint[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_finished bigint;
    v_erased bigint[];
BEGIN
    WITH ended AS (
        SELECT e, count(*)::integer AS n, count(*) FILTER (WHERE s = 3)::integer AS dead,
            max(t) AS at
        FROM unnest(a_events, a_states, a_at) AS u (e, s, t) GROUP BY e
    ), changed AS (
        UPDATE bxhook.event AS v SET open = v.open - ended.n, dead = v.dead + ended.dead,
            ended_at = CASE WHEN v.open = ended.n THEN ended.at END,
            erased = v.erased OR (v.open = ended.n AND v.dead + ended.dead = 0)
        FROM ended WHERE v.n = ended.e RETURNING v.n, v.open, v.dead
    )
    SELECT count(*) FILTER (WHERE open = 0), array_agg(n) FILTER (WHERE open = 0 AND dead = 0)
    INTO v_finished, v_erased FROM changed;
    DELETE FROM bxhook.secret WHERE event = ANY (v_erased);
    PERFORM bxhook.count_up(a_shard, ARRAY[''], ARRAY['unfinished'], ARRAY[-v_finished]);
END $$;

-- A waiting delivery ends without a run: cancelled (5) or merged (4).
CREATE FUNCTION bxhook.end_waiting(a_shard integer, a_event bigint, a_hook text, a_state integer,
    a_into bigint, a_now bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE bxhook.delivery SET state = a_state, turn = NULL, due_at = NULL, failed_at = NULL,
        ended_at = a_now, merged_into = a_into, reason = ''
    WHERE event = a_event AND hook = a_hook;
    PERFORM bxhook.count_up(a_shard, ARRAY[a_hook, a_hook],
        ARRAY['waiting', bxhook.state_name(a_state)], ARRAY[-1, 1]);
    PERFORM bxhook.deliveries_ended(a_shard, ARRAY[a_event], ARRAY[a_state], ARRAY[a_now]);
END $$;

CREATE FUNCTION bxhook.unfinished() RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum(n), 0)::bigint FROM bxhook.tally WHERE hook = '' AND what = 'unfinished'
$$;

-- A new event becomes skipped; false when it is not new any more.
CREATE FUNCTION bxhook.skip(a_shard integer, a_event bigint, a_reason bytea, a_now bigint)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    UPDATE bxhook.event SET state = 2, reason = a_reason, ended_at = a_now, erased = true
    WHERE n = a_event AND state = 0;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    DELETE FROM bxhook.secret WHERE event = a_event;
    PERFORM bxhook.count_up(a_shard, ARRAY['', '', ''], ARRAY['new', 'skipped', 'unfinished'],
        ARRAY[-1, 1, -1]);
    RETURN true;
END $$;
)";

const char* const schema_functions_gateway = R"(
-- Adds events; again with the same key it gives what the first time gave.
CREATE FUNCTION bxhook.add(a_key bytea, a_limit bigint, a_received bigint[], a_test bigint[],
    a_code text[], a_kind bytea[], a_id bytea[], a_domain bytea[], a_member bytea[],
    a_user bytea[], a_handler bytea[], a_ts bytea[], a_portal bytea[], a_lane bytea[],
    a_body bytea[], a_secret bytea[], OUT o_first bigint, OUT o_added bigint)
LANGUAGE plpgsql AS $$
BEGIN
    -- Until the commit: numbers are seen in their order.
    PERFORM pg_advisory_xact_lock(1652058216, 1);
    SELECT first, added INTO o_first, o_added FROM bxhook.batch WHERE key = a_key;
    IF FOUND THEN
        -- It is committed here, and perhaps not at a standby yet: a write waits for that.
        UPDATE bxhook.batch SET added = o_added WHERE key = a_key;
        RETURN;
    END IF;
    o_added := greatest(0, least(cardinality(a_code), a_limit - bxhook.unfinished()));
    IF o_added = 0 THEN
        o_first := 0;
        RETURN;
    END IF;
    o_first := setval('bxhook.event_number', nextval('bxhook.event_number') + o_added - 1)
        - o_added + 1;
    INSERT INTO bxhook.event (n, received_at, test, code, kind, id, domain, member_id, user_id,
        handler_id, ts, portal, lane)
    SELECT o_first + i - 1, r, t <> 0, c, k, d, o, m, u, h, s, p, l
    FROM unnest(a_received, a_test, a_code, a_kind, a_id, a_domain, a_member, a_user, a_handler,
        a_ts, a_portal, a_lane) WITH ORDINALITY AS x (r, t, c, k, d, o, m, u, h, s, p, l, i)
    WHERE i <= o_added;
    INSERT INTO bxhook.body (event, data)
    SELECT o_first + i - 1, b FROM unnest(a_body) WITH ORDINALITY AS x (b, i) WHERE i <= o_added;
    INSERT INTO bxhook.secret (event, data)
    SELECT o_first + i - 1, s FROM unnest(a_secret) WITH ORDINALITY AS x (s, i)
    WHERE i <= o_added AND s <> '';
    INSERT INTO bxhook.batch (key, first, added) VALUES (a_key, o_first, o_added);
    PERFORM bxhook.count_up(-1, ARRAY['', ''], ARRAY['new', 'unfinished'],
        ARRAY[o_added, o_added]);
    PERFORM pg_notify('bxhook', '');
END $$;

-- Does what an add does, but for the event; gives the number of unfinished events.
CREATE FUNCTION bxhook.probe() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(1652058216, 1);
    PERFORM bxhook.count_up(-1, ARRAY[''], ARRAY['probe'], ARRAY[1]);
    RETURN bxhook.unfinished();
END $$;
)";

const char* const schema_functions_worker = R"(
-- Marks events matched or skipped, and makes their deliveries.  Events by a_number, a_skip their
-- reasons (NULL: matched); deliveries and refusals name their event.
CREATE FUNCTION bxhook.dispatch(a_shard integer, a_now bigint, a_number bigint[], a_skip bytea[],
    a_refused_event bigint[], a_refused_hook text[], a_refused_reason bytea[],
    a_event bigint[], a_hook text[], a_ordered bigint[], a_coalesce bigint[], a_max bigint[],
    a_due bigint[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_live bigint[];
    v_all boolean;  -- of them are live, as nearly always
    v_matched bigint;
    v_new record;
    v_old record;
    v_alone boolean;
    v_attempt integer;
    v_max integer;
    v_due bigint;
    v_failed bigint;
    v_reason bytea;
BEGIN
    PERFORM bxhook.lock_lanes(array_agg(bxhook.lane_key(h, e.portal, e.lane)))
    FROM unnest(a_event, a_hook, a_ordered) AS d (n, h, o) JOIN bxhook.event AS e USING (n)
    WHERE o <> 0 AND e.lane IS NOT NULL;
    -- Those that are still new: not cancelled meanwhile, nor matched by another worker.
    SELECT array_agg(n) INTO v_live FROM (
        SELECT n FROM bxhook.event WHERE n = ANY (a_number) AND state = 0 ORDER BY n FOR UPDATE
    ) AS still;
    IF v_live IS NULL THEN
        RETURN;
    END IF;
    v_all := cardinality(v_live) = cardinality(a_number);
    INSERT INTO bxhook.refusal (event, hook, reason)
    SELECT DISTINCT ON (e, h) e, h, r
    FROM unnest(a_refused_event, a_refused_hook, a_refused_reason) AS u (e, h, r)
    WHERE v_all OR e = ANY (v_live)
    ON CONFLICT (event, hook) DO UPDATE SET reason = excluded.reason;
    PERFORM bxhook.skip(a_shard, n, s, a_now)
    FROM unnest(a_number, a_skip) AS u (n, s) WHERE s IS NOT NULL AND (v_all OR n = ANY (v_live));

    UPDATE bxhook.event SET state = 1, open = taken.open FROM (
        SELECT e, count(*)::integer AS open FROM unnest(a_event) AS u (e)
        WHERE v_all OR e = ANY (v_live) GROUP BY e) AS taken
    WHERE n = e;
    GET DIAGNOSTICS v_matched = ROW_COUNT;
    PERFORM bxhook.count_up(a_shard, ARRAY['', ''], ARRAY['new', 'matched'],
        ARRAY[-v_matched, v_matched]);
    PERFORM bxhook.count_up(a_shard, array_agg(h), array_agg('waiting'::text), array_agg(1))
    FROM unnest(a_event, a_hook) AS u (e, h) WHERE v_all OR e = ANY (v_live);

    FOR v_new IN
        SELECT e.n, d.h AS hook, e.portal, CASE WHEN d.o <> 0 THEN e.lane END AS lane, e.code,
            d.c <> 0 AS coalesce, d.m::integer AS max_attempts, d.due
        FROM unnest(a_event, a_hook, a_ordered, a_coalesce, a_max, a_due) WITH ORDINALITY
            AS d (n, h, o, c, m, due, i) JOIN bxhook.event AS e USING (n)
        WHERE v_all OR n = ANY (v_live) ORDER BY i
    LOOP
        v_alone := v_new.lane IS NULL OR NOT EXISTS (
            SELECT 1 FROM bxhook.delivery WHERE hook = v_new.hook AND portal = v_new.portal
                AND lane = v_new.lane AND state < 2);
        v_attempt := 0;
        v_max := v_new.max_attempts;
        v_due := NULL;
        v_failed := NULL;
        v_reason := '';
        IF v_new.coalesce AND NOT v_alone THEN
            -- No claim may take those that are merged now.
            FOR v_old IN
                SELECT d.event, d.attempt, d.max_attempts, d.due_at, d.failed_at, d.reason
                FROM bxhook.delivery AS d JOIN bxhook.event AS e ON e.n = d.event
                WHERE d.hook = v_new.hook AND d.portal = v_new.portal AND d.lane = v_new.lane
                    AND d.state < 2 AND d.state = 0 AND d.event < v_new.n AND e.code = v_new.code
                ORDER BY d.event FOR UPDATE OF d
            LOOP
                PERFORM bxhook.end_waiting(a_shard, v_old.event, v_new.hook, 4, v_new.n, a_now);
                v_attempt := greatest(v_attempt, v_old.attempt);
                v_max := greatest(v_max, v_old.max_attempts);
                v_due := least(v_due, v_old.due_at);
                IF v_old.failed_at IS NOT NULL THEN
                    v_failed := v_old.failed_at;
                    v_reason := v_old.reason;
                END IF;
            END LOOP;
        END IF;
        v_due := coalesce(v_due, v_new.due);
        INSERT INTO bxhook.delivery (event, hook, turn, portal, lane, attempt, max_attempts, due_at,
            failed_at, reason)
        VALUES (v_new.n, v_new.hook,
            CASE WHEN NOT v_alone THEN NULL WHEN v_due <= a_now THEN 2 ELSE 1 END,
            v_new.portal, v_new.lane, v_attempt, v_max, v_due, v_failed, v_reason);
        IF NOT v_alone THEN
            PERFORM bxhook.settle(v_new.hook, v_new.portal, v_new.lane, a_now);
        END IF;
    END LOOP;
    PERFORM pg_notify('bxhook', '');
END $$;

-- Makes those claimable whose time has come, a thousand at most, and gives the hooks that have
-- something claimable; a row with an empty hook: there may be more.
CREATE FUNCTION bxhook.ready_hooks(a_now bigint) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    v_hook text COLLATE "C" := '';
    v_called bigint := 0;
BEGIN
    IF EXISTS (SELECT 1 FROM bxhook.delivery WHERE turn = 1 AND due_at <= a_now) THEN
        UPDATE bxhook.delivery AS d SET turn = 2 FROM (
            SELECT event, hook FROM bxhook.delivery WHERE turn = 1 AND due_at <= a_now
            ORDER BY due_at LIMIT 1000 FOR UPDATE SKIP LOCKED) AS due
        WHERE d.event = due.event AND d.hook = due.hook AND d.turn = 1;
        GET DIAGNOSTICS v_called = ROW_COUNT;
    END IF;
    IF v_called = 1000 THEN
        RETURN NEXT '';
    END IF;
    LOOP
        SELECT hook INTO v_hook FROM bxhook.delivery WHERE turn = 2 AND hook > v_hook
        ORDER BY hook LIMIT 1;
        EXIT WHEN NOT FOUND;
        RETURN NEXT v_hook;
    END LOOP;
END $$;

-- Claims up to a_slots deliveries for a_owner: round the hooks of a_hook, which may run a_room of
-- theirs at a time, and within a hook round the portals, from the one after a_last on.  a_seed
-- makes the names of runs unlike those of others.
CREATE FUNCTION bxhook.claim(a_owner bigint, a_shard integer, a_slots bigint, a_now bigint,
    a_seed text, a_hook text[], a_room bigint[], a_last bytea[])
RETURNS TABLE (event bigint, hook text, attempt integer, max_attempts integer, run text,
    portal bytea, erased boolean, received_at bigint, test boolean, code text, kind bytea,
    id bytea, domain bytea, member_id bytea, user_id bytea, handler_id bytea, ts bytea,
    body bytea, secret bytea) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_left bigint[];
    v_last bytea[] := a_last;
    v_events bigint[] := '{}';
    v_hooks text[] := '{}';
    v_event bigint;
    v_portal bytea;
    v_any boolean := true;
BEGIN
    PERFORM pg_advisory_xact_lock(1652058216, 2);
    -- Not counted in the deliveries: each claim leaves a dead entry in their index.
    SELECT array_agg(greatest(0, r - (SELECT coalesce(sum(t.n), 0) FROM bxhook.tally AS t
            WHERE t.hook = h AND t.what = 'running'))::bigint ORDER BY i)
    INTO v_left FROM unnest(a_hook, a_room) WITH ORDINALITY AS u (h, r, i);
    WHILE v_any AND cardinality(v_events) < a_slots LOOP
        v_any := false;
        FOR i IN 1 .. cardinality(a_hook) LOOP
            CONTINUE WHEN v_left[i] <= 0 OR cardinality(v_events) >= a_slots;
            SELECT d.event, d.portal INTO v_event, v_portal FROM bxhook.delivery AS d
            WHERE d.turn = 2 AND d.hook = a_hook[i] AND d.portal > v_last[i]
            ORDER BY d.portal, d.event LIMIT 1 FOR UPDATE SKIP LOCKED;
            IF NOT FOUND THEN
                SELECT d.event, d.portal INTO v_event, v_portal FROM bxhook.delivery AS d
                WHERE d.turn = 2 AND d.hook = a_hook[i]
                ORDER BY d.portal, d.event LIMIT 1 FOR UPDATE SKIP LOCKED;
            END IF;
            IF NOT FOUND THEN
                v_left[i] := 0;
                CONTINUE;
            END IF;
            UPDATE bxhook.delivery AS d SET state = 1, turn = NULL, due_at = NULL, owner = a_owner,
                started = false, attempt = d.attempt + 1
            WHERE d.event = v_event AND d.hook = a_hook[i];
            v_events := v_events || v_event;
            v_hooks := v_hooks || a_hook[i];
            v_left[i] := v_left[i] - 1;
            v_last[i] := v_portal;
            v_any := true;
        END LOOP;
    END LOOP;
    INSERT INTO bxhook.attempt (event, hook, attempt, run, started_at)
    SELECT d.event, d.hook, d.attempt, concat_ws('-', d.event, d.hook, d.attempt, a_seed), a_now
    FROM unnest(v_events, v_hooks) AS u (e, h)
    JOIN bxhook.delivery AS d ON d.event = e AND d.hook = h;
    PERFORM bxhook.count_up(a_shard, v_hooks || v_hooks,
        array_fill('waiting'::text, ARRAY[cardinality(v_hooks)])
            || array_fill('running'::text, ARRAY[cardinality(v_hooks)]),
        array_fill(-1::bigint, ARRAY[cardinality(v_hooks)])
            || array_fill(1::bigint, ARRAY[cardinality(v_hooks)]));
    RETURN QUERY
    SELECT d.event, d.hook, d.attempt, d.max_attempts,
        concat_ws('-', d.event, d.hook, d.attempt, a_seed), d.portal, v.erased, v.received_at,
        v.test, v.code, v.kind, v.id, v.domain, v.member_id, v.user_id, v.handler_id, v.ts, b.data,
        coalesce(s.data, '')
    FROM unnest(v_events, v_hooks) WITH ORDINALITY AS u (e, h, i)
    JOIN bxhook.delivery AS d ON d.event = e AND d.hook = h
    JOIN bxhook.event AS v ON v.n = e
    JOIN bxhook.body AS b ON b.event = e
    LEFT JOIN bxhook.secret AS s ON s.event = e
    ORDER BY u.i;
END $$;

-- The runs of these claims begin.  Not awaited: were it lost, with the server, the runs would be
-- repeated and not be counted as lost.
CREATE FUNCTION bxhook.start(a_event bigint[], a_hook text[], a_attempt bigint[])
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    UPDATE bxhook.delivery AS d SET started = true FROM unnest(a_event, a_hook, a_attempt)
        AS u (e, h, a) WHERE d.event = e AND d.hook = h AND d.attempt = a AND d.state = 1;
END $$;

CREATE FUNCTION bxhook.finish(a_shard integer, a_event bigint[], a_hook text[],
    a_attempt bigint[], a_result bigint[], a_exit bigint[], a_signal text[], a_reason bytea[],
    a_ended bigint[], a_out bytea[], a_out_bytes bigint[], a_err bytea[], a_err_bytes bigint[],
    a_next bigint[], a_why bytea[], a_due bigint[], a_counts bigint[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_event bigint[];
    v_hook text[];
    v_index bigint[];
    v_next integer[];
    v_lane record;
BEGIN
    PERFORM bxhook.lock_lanes(array_agg(bxhook.lane_key(d.hook, d.portal, d.lane)))
    FROM unnest(a_event, a_hook) AS u (e, h)
    JOIN bxhook.delivery AS d ON d.event = e AND d.hook = h WHERE d.lane IS NOT NULL;

    WITH run AS (
        SELECT u.*, w.event IS NOT NULL AS unwanted
        FROM unnest(a_event, a_hook, a_attempt, a_ended, a_next, a_why, a_due, a_counts)
            WITH ORDINALITY AS u (e, h, attempt, ended, next, why, due, counts, i)
        LEFT JOIN bxhook.kill_wish AS w ON w.event = e AND w.hook = h
    ), verdict AS (  -- a run that a person wants ended is not repeated, however it ended
        SELECT *, CASE WHEN next = 0 AND unwanted THEN 5 ELSE next END AS becomes FROM run
    ), ended AS (
        UPDATE bxhook.delivery AS d SET state = v.becomes, owner = NULL, started = false,
            turn = CASE WHEN v.becomes = 0 AND d.lane IS NULL
                THEN CASE WHEN v.due <= v.ended THEN 2 ELSE 1 END END,
            due_at = CASE WHEN v.becomes = 0 THEN v.due END,
            ended_at = CASE WHEN v.becomes <> 0 THEN v.ended END,
            failed_at = CASE WHEN v.becomes = 0 AND v.counts <> 0 THEN v.ended
                ELSE d.failed_at END,
            max_attempts = d.max_attempts + CASE WHEN v.counts = 0 THEN 1 ELSE 0 END,
            reason = v.why
        FROM verdict AS v
        WHERE d.event = v.e AND d.hook = v.h AND d.state = 1 AND d.attempt = v.attempt
        RETURNING d.event, d.hook, d.state, v.i
    )
    SELECT array_agg(event ORDER BY event), array_agg(hook ORDER BY event),
        array_agg(i ORDER BY event), array_agg(state::integer ORDER BY event)
    INTO v_event, v_hook, v_index, v_next FROM ended;
    IF v_event IS NULL THEN
        RETURN;
    END IF;
    DELETE FROM bxhook.kill_wish AS w USING unnest(v_event, v_hook) AS u (e, h)
    WHERE w.event = e AND w.hook = h;

    UPDATE bxhook.attempt AS a SET result = a_result[i], exit = a_exit[i], signal = a_signal[i],
        reason = a_reason[i], ended_at = a_ended[i], out = a_out[i], out_bytes = a_out_bytes[i],
        err = a_err[i], err_bytes = a_err_bytes[i]
    FROM unnest(v_event, v_hook, v_index) AS u (e, h, i)
    WHERE a.event = e AND a.hook = h AND a.attempt = a_attempt[i];

    INSERT INTO bxhook.rate AS r (minute, hook, shard, done, failed, dead)
    SELECT a_ended[i] / 60000, h, a_shard, count(*) FILTER (WHERE a_result[i] = 1),
        count(*) FILTER (WHERE a_result[i] IN (2, 3, 4)), count(*) FILTER (WHERE s = 3)
    FROM unnest(v_hook, v_index, v_next) AS u (h, i, s)
    WHERE a_result[i] IN (1, 2, 3, 4) OR s = 3 GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (minute, hook, shard) DO UPDATE SET done = r.done + excluded.done,
        failed = r.failed + excluded.failed, dead = r.dead + excluded.dead;
    PERFORM bxhook.count_up(a_shard, v_hook || v_hook,
        array_fill('running'::text, ARRAY[cardinality(v_hook)])
            || (SELECT array_agg(bxhook.state_name(s) ORDER BY o)
                FROM unnest(v_next) WITH ORDINALITY AS u (s, o)),
        array_fill(-1::bigint, ARRAY[cardinality(v_hook)])
            || array_fill(1::bigint, ARRAY[cardinality(v_hook)]));

    -- Nobody of these lanes had the turn: one of theirs ran.
    UPDATE bxhook.delivery AS d SET turn = CASE WHEN d.due_at <= lane.now THEN 2 ELSE 1 END
    FROM (
        SELECT d.hook, d.portal, d.lane, max(a_ended[i]) AS now
        FROM unnest(v_event, v_hook, v_index) AS u (e, h, i)
        JOIN bxhook.delivery AS d ON d.event = e AND d.hook = h
        WHERE d.lane IS NOT NULL GROUP BY 1, 2, 3
    ) AS lane, LATERAL (
        SELECT o.event FROM bxhook.delivery AS o
        WHERE o.hook = lane.hook AND o.portal = lane.portal AND o.lane = lane.lane AND o.state < 2
        ORDER BY o.state DESC, o.event LIMIT 1
    ) AS head
    WHERE d.event = head.event AND d.hook = lane.hook AND d.state = 0 AND d.turn IS NULL;

    PERFORM bxhook.deliveries_ended(a_shard, array_agg(e), array_agg(s), array_agg(a_ended[i]))
    FROM unnest(v_event, v_index, v_next) AS u (e, i, s) WHERE s <> 0 HAVING count(*) > 0;
END $$;

-- Shows a worker and renews its lease.  The leases of workers that another server process has
-- granted begin anew: its clock is not this one's.
CREATE FUNCTION bxhook.show_worker(a_id bigint, a_host text, a_pid bigint, a_version text,
    a_since bigint, a_running bigint, a_error bytea, a_lease bigint)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_now bigint := bxhook.now_ms();
BEGIN
    UPDATE bxhook.worker SET lease_until = v_now + a_lease, server = pg_postmaster_start_time()
    WHERE server <> pg_postmaster_start_time();
    INSERT INTO bxhook.worker (id, host, pid, version, since, running, config_error, seen_at,
        lease_until, server)
    VALUES (a_id, a_host, a_pid, a_version, a_since, a_running, a_error, v_now, v_now + a_lease,
        pg_postmaster_start_time())
    ON CONFLICT (id) DO UPDATE SET running = excluded.running,
        config_error = excluded.config_error, seen_at = excluded.seen_at,
        lease_until = excluded.lease_until, server = excluded.server;
END $$;

-- The deliveries left running by dead workers become a_owner's, and are given with those that it
-- has already; claims of both that never started wait again.  Those of a_event and a_hook it runs:
-- a server that took over may not know that they started.
CREATE FUNCTION bxhook.orphans(a_owner bigint, a_shard integer, a_lease bigint, a_event bigint[],
    a_hook text[])
RETURNS TABLE (event bigint, hook text, attempt integer, max_attempts integer, run text,
    started_at bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_now bigint := bxhook.now_ms();
    v_lane record;
BEGIN
    PERFORM pg_advisory_xact_lock(1652058216, 2);
    UPDATE bxhook.worker SET lease_until = v_now + a_lease, server = pg_postmaster_start_time()
    WHERE server <> pg_postmaster_start_time();
    UPDATE bxhook.delivery AS d SET started = true FROM unnest(a_event, a_hook) AS u (e, h)
    WHERE d.event = e AND d.hook = h AND d.state = 1 AND d.owner = a_owner AND NOT d.started;
    FOR v_lane IN
        SELECT d.event, d.hook, d.portal, d.lane, d.attempt FROM bxhook.delivery AS d
        WHERE d.state = 1 AND d.state <> 2 AND NOT d.started AND (d.owner = a_owner OR NOT EXISTS (
            SELECT 1 FROM bxhook.worker AS w WHERE w.id = d.owner AND w.lease_until > v_now))
        ORDER BY bxhook.lane_key(d.hook, d.portal, d.lane)
    LOOP
        PERFORM bxhook.lock_lanes(ARRAY[bxhook.lane_key(v_lane.hook, v_lane.portal, v_lane.lane)]);
        UPDATE bxhook.delivery AS d SET state = 0, owner = NULL, attempt = d.attempt - 1,
            due_at = a.started_at, turn = CASE WHEN d.lane IS NULL THEN 2 END
        FROM bxhook.attempt AS a
        WHERE d.event = v_lane.event AND d.hook = v_lane.hook AND d.attempt = v_lane.attempt
            AND d.state = 1 AND NOT d.started
            AND a.event = d.event AND a.hook = d.hook AND a.attempt = d.attempt;
        CONTINUE WHEN NOT FOUND;
        DELETE FROM bxhook.attempt AS a WHERE a.event = v_lane.event AND a.hook = v_lane.hook
            AND a.attempt = v_lane.attempt;
        PERFORM bxhook.count_up(a_shard, ARRAY[v_lane.hook, v_lane.hook],
            ARRAY['running', 'waiting'], ARRAY[-1, 1]);
        PERFORM bxhook.settle(v_lane.hook, v_lane.portal, v_lane.lane, v_now);
    END LOOP;
    UPDATE bxhook.delivery AS d SET owner = a_owner
    WHERE d.state = 1 AND d.state <> 2 AND d.owner <> a_owner AND NOT EXISTS (
        SELECT 1 FROM bxhook.worker AS w WHERE w.id = d.owner AND w.lease_until > v_now);
    DELETE FROM bxhook.worker AS w WHERE w.lease_until <= v_now AND w.id <> a_owner;
    RETURN QUERY
    SELECT d.event, d.hook, d.attempt, d.max_attempts, a.run, a.started_at
    FROM bxhook.delivery AS d JOIN bxhook.attempt AS a
        ON a.event = d.event AND a.hook = d.hook AND a.attempt = d.attempt
    WHERE d.state = 1 AND d.state <> 2 AND d.owner = a_owner ORDER BY d.event, d.hook;
END $$;
)";

}  // namespace bx
