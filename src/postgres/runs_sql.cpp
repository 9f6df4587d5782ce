// The functions of the schema that serve workers.  shared_sql.cpp says how they are
// made.
#include "postgres/schema.h"

namespace bx::postgres {

const char* const schema_functions_worker = R"(
-- Marks events matched or skipped, and makes their deliveries.  Events by a_number, a_skip their
-- reasons (NULL: matched), a_retryable whether they are to be matched anew, a_more their refusals
-- beyond those that are given; deliveries and refusals name their event.
CREATE OR REPLACE FUNCTION bxhook.dispatch(a_shard integer, a_now bigint, a_number bigint[],
    a_skip bytea[], a_retryable bigint[], a_more bigint[],
    a_refused_event bigint[], a_refused_hook text[], a_refused_reason bytea[],
    a_refused_rule bigint[], a_event bigint[], a_hook text[], a_ordered bigint[],
    a_coalesce bigint[], a_max bigint[], a_due bigint[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_live bigint[];
    v_all boolean;  -- of them are live, as nearly always
    v_matched bigint;
    v_new record;
    v_old record;
    v_head bigint;  -- of its lane; 0: one runs
    v_alone boolean;
    v_merging bigint[];
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
    INSERT INTO bxhook.refusal (event, hook, reason, rule)
    SELECT DISTINCT ON (e, h) e, h, r, x
    FROM unnest(a_refused_event, a_refused_hook, a_refused_reason, a_refused_rule)
        AS u (e, h, r, x)
    WHERE v_all OR e = ANY (v_live)
    ON CONFLICT (event, hook) DO UPDATE SET reason = excluded.reason, rule = excluded.rule;
    UPDATE bxhook.event SET refused_more = m FROM unnest(a_number, a_more) AS u (e, m)
    WHERE n = e AND m > 0 AND (v_all OR n = ANY (v_live));
    PERFORM bxhook.skip(a_shard, n, s, a_now, r <> 0)
    FROM unnest(a_number, a_skip, a_retryable) AS u (n, s, r)
    WHERE s IS NOT NULL AND (v_all OR n = ANY (v_live));

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
        v_head := NULL;
        SELECT CASE WHEN d.state = 1 THEN 0 ELSE d.event END INTO v_head FROM bxhook.delivery AS d
        WHERE d.hook = v_new.hook AND d.portal = v_new.portal AND d.lane = v_new.lane
            AND d.state < 2
        ORDER BY d.state DESC, d.event LIMIT 1;
        v_alone := v_head IS NULL;
        v_attempt := 0;
        v_max := v_new.max_attempts;
        v_due := NULL;
        v_failed := NULL;
        v_reason := '';
        IF v_new.coalesce AND NOT v_alone THEN
            v_merging := bxhook.mergeable(v_new.hook, v_new.portal, v_new.lane, v_new.code,
                v_new.n);
            -- No claim may take those that are merged now.
            FOR v_old IN
                SELECT d.event, d.attempt, d.max_attempts, d.due_at, d.failed_at, d.reason
                FROM bxhook.delivery AS d
                WHERE d.hook = v_new.hook AND d.event = ANY (v_merging) AND d.state = 0
                ORDER BY d.event FOR UPDATE
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
        IF v_new.coalesce AND NOT v_alone OR v_head > v_new.n THEN
            PERFORM bxhook.settle(v_new.hook, v_new.portal, v_new.lane, a_now);
        END IF;
    END LOOP;
    PERFORM pg_notify('bxhook', '');
END $$;

-- As programs of version 1.0 call it.
CREATE OR REPLACE FUNCTION bxhook.dispatch(a_shard integer, a_now bigint, a_number bigint[],
    a_skip bytea[], a_refused_event bigint[], a_refused_hook text[], a_refused_reason bytea[],
    a_event bigint[], a_hook text[], a_ordered bigint[], a_coalesce bigint[], a_max bigint[],
    a_due bigint[]) RETURNS void LANGUAGE sql AS $$
    SELECT bxhook.dispatch(a_shard, a_now, a_number, a_skip,
        array_fill(0::bigint, ARRAY[cardinality(a_number)]),
        array_fill(0::bigint, ARRAY[cardinality(a_number)]), a_refused_event, a_refused_hook,
        a_refused_reason, array_fill(5::bigint, ARRAY[cardinality(a_refused_event)]), a_event,
        a_hook, a_ordered, a_coalesce, a_max, a_due)
$$;

-- Makes those claimable whose time has come, a thousand at most, and gives the hooks that have
-- something claimable; a row with an empty hook: there may be more.
CREATE OR REPLACE FUNCTION bxhook.ready_hooks(a_now bigint) RETURNS SETOF text
LANGUAGE plpgsql AS $$
DECLARE
    v_hook text COLLATE "C" := '';
    v_called bigint := 0;
BEGIN
    IF EXISTS (SELECT 1 FROM bxhook.delivery WHERE turn = 1 AND due_at <= a_now) THEN
        -- By their places: whatever the planner thinks of it, no row is looked for among all.
        UPDATE bxhook.delivery SET turn = 2 WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM bxhook.delivery WHERE turn = 1 AND due_at <= a_now
            ORDER BY due_at LIMIT 1000 FOR UPDATE SKIP LOCKED));
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

-- The portals of a hook that have something claimable, from the one after a_last on, round; a_most.
CREATE OR REPLACE FUNCTION bxhook.portals(a_hook text, a_last bytea, a_most bigint)
RETURNS SETOF bytea
LANGUAGE plpgsql AS $$
DECLARE
    v_portal bytea := a_last;
    v_round boolean := false;
BEGIN
    FOR i IN 1 .. a_most LOOP
        SELECT portal INTO v_portal FROM bxhook.delivery
        WHERE turn = 2 AND hook = a_hook AND portal > v_portal ORDER BY portal, event LIMIT 1;
        IF v_portal IS NULL AND NOT v_round THEN
            v_round := true;
            SELECT portal INTO v_portal FROM bxhook.delivery
            WHERE turn = 2 AND hook = a_hook ORDER BY portal, event LIMIT 1;
        END IF;
        EXIT WHEN v_portal IS NULL OR v_round AND v_portal > a_last;
        RETURN NEXT v_portal;
    END LOOP;
END $$;

-- Claims up to a_slots deliveries for a_owner: round the hooks of a_hook, which may run a_room of
-- theirs at a time, and within a hook round the portals, from the one after a_last on.  a_seed
-- makes the names of runs unlike those of others.
CREATE OR REPLACE FUNCTION bxhook.claim(a_owner bigint, a_shard integer, a_slots bigint,
    a_seed text,
    a_hook text[], a_room bigint[], a_last bytea[])
RETURNS TABLE (event bigint, hook text, attempt integer, max_attempts integer, run text,
    portal bytea, erased boolean, received_at bigint, test boolean, code text, kind bytea,
    id bytea, domain bytea, member_id bytea, user_id bytea, handler_id bytea, ts bytea,
    body bytea, secret bytea) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_room bigint[];
    v_last bytea[] := a_last;
    v_slots bigint := a_slots;
    v_new record;
    v_at integer;
    v_events bigint[] := '{}';
    v_hooks text[] := '{}';
    v_attempts integer[] := '{}';
    v_most integer[] := '{}';
BEGIN
    PERFORM pg_advisory_xact_lock(1652058216, 2);
    -- Not counted in the deliveries: each claim leaves a dead entry in their index.
    SELECT array_agg(greatest(0, r - (SELECT coalesce(sum(t.n), 0) FROM bxhook.tally AS t
            WHERE t.hook = h AND t.what = 'running'))::bigint ORDER BY i)
    INTO v_room FROM unnest(a_hook, a_room) WITH ORDINALITY AS u (h, r, i);
    LOOP
        -- As many of each portal as it gets when all have enough.  If some have not, the others'
        -- share is looked for once more.
        WITH portal AS (
            SELECT h.hook, h.room, h.i, p.portal, p.o, count(*) OVER (PARTITION BY h.i) AS of
            FROM unnest(a_hook, v_room, v_last) WITH ORDINALITY AS h (hook, room, last, i)
            CROSS JOIN LATERAL bxhook.portals(h.hook, h.last, least(h.room, v_slots))
                WITH ORDINALITY AS p (portal, o)
        ), ranked AS (
            SELECT p.room, p.i, d.at,
                row_number() OVER (PARTITION BY p.i ORDER BY d.k, p.o) AS place
            FROM portal AS p CROSS JOIN LATERAL (
                SELECT d.ctid AS at, row_number() OVER (ORDER BY d.event) AS k
                FROM bxhook.delivery AS d
                WHERE d.turn = 2 AND d.hook = p.hook AND d.portal = p.portal ORDER BY d.event
                LIMIT (least(p.room, v_slots) + p.of - 1) / p.of) AS d
        ), chosen AS (
            SELECT at, place, i FROM ranked WHERE place <= room ORDER BY place, i LIMIT v_slots
        ), held AS (
            SELECT d.ctid AS at, c.place, c.i FROM chosen AS c JOIN bxhook.delivery AS d
                ON d.ctid = c.at WHERE d.turn > 1 FOR UPDATE OF d SKIP LOCKED
        ), claimed AS (
            UPDATE bxhook.delivery AS d SET state = 1, turn = NULL, due_at = NULL, owner = a_owner,
                attempt = d.attempt + 1
            FROM held WHERE d.ctid = held.at
            RETURNING d.event, d.hook, d.attempt, d.max_attempts, d.portal, held.place, held.i
        )
        SELECT count(*) AS n, array_agg(event ORDER BY place, i) AS events,
            array_agg(hook ORDER BY place, i) AS hooks,
            array_agg(attempt ORDER BY place, i) AS attempts,
            array_agg(max_attempts ORDER BY place, i) AS most,
            array_agg(portal ORDER BY place, i) AS portals
        INTO v_new FROM claimed;
        EXIT WHEN v_new.n = 0;
        v_events := v_events || v_new.events;
        v_hooks := v_hooks || v_new.hooks;
        v_attempts := v_attempts || v_new.attempts;
        v_most := v_most || v_new.most;
        v_slots := v_slots - v_new.n;
        EXIT WHEN v_slots = 0;
        FOR i IN 1 .. v_new.n LOOP
            v_at := array_position(a_hook, v_new.hooks[i]);
            v_room[v_at] := v_room[v_at] - 1;
            v_last[v_at] := v_new.portals[i];
        END LOOP;
    END LOOP;
    IF cardinality(v_events) = 0 THEN
        RETURN;
    END IF;
    PERFORM bxhook.count_up(a_shard, array_agg(h) || array_agg(h),
        array_agg('waiting'::text) || array_agg('running'::text), array_agg(-n) || array_agg(n))
    FROM (SELECT h, count(*) AS n FROM unnest(v_hooks) AS u (h) GROUP BY h) AS sums;
    -- Whatever is missing of the event: it is claimed.
    RETURN QUERY
    SELECT u.e, u.h, u.a, u.m, concat_ws('-', u.e, u.h, u.a, a_seed), d.portal, v.erased,
        v.received_at, v.test, v.code, v.kind, v.id, v.domain, v.member_id, v.user_id,
        v.handler_id, v.ts, b.data, coalesce(s.data, '')
    FROM unnest(v_events, v_hooks, v_attempts, v_most) WITH ORDINALITY AS u (e, h, a, m, i)
    JOIN bxhook.delivery AS d ON d.event = e AND d.hook = h
    LEFT JOIN bxhook.event AS v ON v.n = e
    LEFT JOIN bxhook.body AS b ON b.event = e
    LEFT JOIN bxhook.secret AS s ON s.event = e
    ORDER BY u.i;
END $$;

-- The runs of these claims begin.  Not awaited: were it lost, with the server, the runs would be
-- repeated and not be counted as lost.
CREATE OR REPLACE FUNCTION bxhook.start(a_owner bigint, a_seed text, a_now bigint, a_event bigint[],
    a_hook text[], a_attempt bigint[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    -- Who takes over what this worker claimed waits, or it has and nothing is found here.
    PERFORM 1 FROM bxhook.worker WHERE id = a_owner FOR SHARE;
    INSERT INTO bxhook.attempt (event, hook, attempt, run, started_at)
    SELECT d.event, d.hook, d.attempt, concat_ws('-', d.event, d.hook, d.attempt, a_seed), a_now
    FROM unnest(a_event, a_hook, a_attempt) AS u (e, h, a)
    JOIN bxhook.delivery AS d ON d.event = e AND d.hook = h
    WHERE d.attempt = a AND d.state = 1 AND d.owner = a_owner
    ON CONFLICT DO NOTHING;
END $$;

CREATE OR REPLACE FUNCTION bxhook.finish(a_seed text, a_shard integer, a_event bigint[],
    a_hook text[],
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
        UPDATE bxhook.delivery AS d SET state = v.becomes, owner = NULL,
            turn = CASE WHEN v.becomes = 0 AND d.lane IS NULL
                THEN CASE WHEN v.due <= v.ended THEN 2 ELSE 1 END END,
            due_at = CASE WHEN v.becomes = 0 THEN v.due END,
            ended_at = CASE WHEN v.becomes <> 0 THEN v.ended END,
            failed_at = CASE WHEN v.becomes = 0 AND v.counts <> 0
                THEN coalesce(d.failed_at, v.ended) ELSE d.failed_at END,
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

    -- A start that was lost, with the server, has left no attempt.
    INSERT INTO bxhook.attempt (event, hook, attempt, run, started_at)
    SELECT e, h, a_attempt[i], concat_ws('-', e, h, a_attempt[i], a_seed), a_ended[i]
    FROM unnest(v_event, v_hook, v_index) AS u (e, h, i) WHERE NOT EXISTS (
        SELECT 1 FROM bxhook.attempt AS a
        WHERE a.event = e AND a.hook = h AND a.attempt = a_attempt[i]);
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
        SELECT o.ctid AS at FROM bxhook.delivery AS o
        WHERE o.hook = lane.hook AND o.portal = lane.portal AND o.lane = lane.lane AND o.state < 2
            AND o.state = 0
        ORDER BY o.event LIMIT 1
    ) AS head
    WHERE d.ctid = head.at AND d.state = 0 AND d.turn IS NULL;

    PERFORM bxhook.deliveries_ended(a_shard, array_agg(e), array_agg(s), array_agg(a_ended[i]))
    FROM unnest(v_event, v_index, v_next) AS u (e, i, s) WHERE s <> 0 HAVING count(*) > 0;
END $$;

-- finish and claim as one; the arguments are those of both.
CREATE OR REPLACE FUNCTION bxhook.finish_and_claim(a_owner bigint, a_seed text, a_shard integer,
    a_event bigint[], a_hook text[], a_attempt bigint[], a_result bigint[], a_exit bigint[],
    a_signal text[], a_reason bytea[], a_ended bigint[], a_out bytea[], a_out_bytes bigint[],
    a_err bytea[], a_err_bytes bigint[], a_next bigint[], a_why bytea[], a_due bigint[],
    a_counts bigint[], a_slots bigint, a_hooks text[], a_room bigint[], a_last bytea[])
RETURNS TABLE (event bigint, hook text, attempt integer, max_attempts integer, run text,
    portal bytea, erased boolean, received_at bigint, test boolean, code text, kind bytea,
    id bytea, domain bytea, member_id bytea, user_id bytea, handler_id bytea, ts bytea,
    body bytea, secret bytea) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM bxhook.finish(a_seed, a_shard, a_event, a_hook, a_attempt, a_result, a_exit, a_signal,
        a_reason, a_ended, a_out, a_out_bytes, a_err, a_err_bytes, a_next, a_why, a_due, a_counts);
    RETURN QUERY
    SELECT * FROM bxhook.claim(a_owner, a_shard, a_slots, a_seed, a_hooks, a_room, a_last);
END $$;

-- Shows a worker and renews its lease.  The leases of workers that another server process has
-- granted begin anew: its clock is not this one's.
CREATE OR REPLACE FUNCTION bxhook.show_worker(a_id bigint, a_host text, a_pid bigint,
    a_version text,
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
CREATE OR REPLACE FUNCTION bxhook.orphans(a_owner bigint, a_seed text, a_shard integer,
    a_lease bigint,
    a_event bigint[], a_hook text[])
RETURNS TABLE (event bigint, hook text, attempt integer, max_attempts integer, run text,
    started_at bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_now bigint := bxhook.now_ms();
    v_live bigint[];
    v_keys integer[];
    v_old record;
BEGIN
    UPDATE bxhook.worker SET lease_until = v_now + a_lease, server = pg_postmaster_start_time()
    WHERE server <> pg_postmaster_start_time();
    -- None of the others begins a run meanwhile, nor comes back to life.
    PERFORM 1 FROM bxhook.worker WHERE id <> a_owner AND lease_until <= v_now ORDER BY id
    FOR UPDATE;
    SELECT coalesce(array_agg(id), '{}') INTO v_live FROM bxhook.worker
    WHERE id <> a_owner AND lease_until > v_now;
    INSERT INTO bxhook.attempt (event, hook, attempt, run, started_at)
    SELECT d.event, d.hook, d.attempt, concat_ws('-', d.event, d.hook, d.attempt, a_seed), v_now
    FROM unnest(a_event, a_hook) AS u (e, h)
    JOIN bxhook.delivery AS d ON d.event = e AND d.hook = h
    WHERE d.state = 1 AND d.owner = a_owner
    ON CONFLICT DO NOTHING;
    SELECT coalesce(array_agg(bxhook.lane_key(d.hook, d.portal, d.lane)), '{}') INTO v_keys
    FROM bxhook.delivery AS d WHERE d.state = 1 AND d.state <> 2 AND d.owner <> ALL (v_live)
        AND d.lane IS NOT NULL AND NOT bxhook.is_started(d.event, d.hook, d.attempt);
    PERFORM bxhook.lock_lanes(v_keys);
    PERFORM pg_advisory_xact_lock(1652058216, 2);
    FOR v_old IN
        SELECT d.event, d.hook, d.portal, d.lane FROM bxhook.delivery AS d
        WHERE d.state = 1 AND d.state <> 2 AND d.owner <> ALL (v_live)
            AND NOT bxhook.is_started(d.event, d.hook, d.attempt)
            AND (d.lane IS NULL OR bxhook.lane_key(d.hook, d.portal, d.lane) = ANY (v_keys))
        FOR UPDATE
    LOOP
        UPDATE bxhook.delivery AS d SET state = 0, owner = NULL, attempt = d.attempt - 1,
            due_at = v_now, turn = CASE WHEN d.lane IS NULL THEN 2 END
        WHERE d.event = v_old.event AND d.hook = v_old.hook;
        PERFORM bxhook.count_up(a_shard, ARRAY[v_old.hook, v_old.hook],
            ARRAY['running', 'waiting'], ARRAY[-1, 1]);
        PERFORM bxhook.settle(v_old.hook, v_old.portal, v_old.lane, v_now);
    END LOOP;
    UPDATE bxhook.delivery AS d SET owner = a_owner
    WHERE d.state = 1 AND d.state <> 2 AND d.owner <> a_owner AND d.owner <> ALL (v_live);
    DELETE FROM bxhook.worker AS w WHERE w.lease_until <= v_now AND w.id <> a_owner;
    RETURN QUERY
    SELECT d.event, d.hook, d.attempt, d.max_attempts, a.run, a.started_at
    FROM bxhook.delivery AS d JOIN bxhook.attempt AS a
        ON a.event = d.event AND a.hook = d.hook AND a.attempt = d.attempt
    WHERE d.state = 1 AND d.state <> 2 AND d.owner = a_owner ORDER BY d.event, d.hook;
END $$;
)";

}  // namespace bx::postgres
