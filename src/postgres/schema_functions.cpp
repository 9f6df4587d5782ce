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

-- A claim's run has begun, for all we know: it has an attempt.
CREATE FUNCTION bxhook.is_started(a_event bigint, a_hook text, a_attempt integer) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT 1 FROM bxhook.attempt
        WHERE event = a_event AND hook = a_hook AND attempt = a_attempt)
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

-- Gives a lane's turn to whom it belongs; its lock is held.  One delivery has come to the lane, or
-- some have left it: who has the turn is the first or the second of those that wait.
CREATE FUNCTION bxhook.settle(a_hook text, a_portal bytea, a_lane bytea, a_now bigint)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_holder bigint;
    v_head bigint;
BEGIN
    IF a_lane IS NULL THEN
        RETURN;
    END IF;
    -- A claim, which locks no lane, may be taking it: now it cannot any more, or it has.
    SELECT event INTO v_holder FROM (
        SELECT event, turn FROM bxhook.delivery
        WHERE hook = a_hook AND portal = a_portal AND lane = a_lane AND state < 2 AND state = 0
        ORDER BY event LIMIT 2 FOR UPDATE) AS first
    WHERE turn IS NOT NULL;
    SELECT CASE WHEN state = 0 THEN event END INTO v_head FROM bxhook.delivery
    WHERE hook = a_hook AND portal = a_portal AND lane = a_lane AND state < 2
    ORDER BY state DESC, event LIMIT 1;
    IF v_holder = v_head OR v_holder IS NULL AND v_head IS NULL THEN
        RETURN;
    END IF;
    UPDATE bxhook.delivery SET turn = NULL WHERE event = v_holder AND hook = a_hook;
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

}  // namespace bx
