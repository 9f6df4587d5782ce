// The functions of the schema: each change of the store is one statement, so that locks are
// held for no round trip, and one transaction.  Parameters are a_NAME, variables v_NAME.
//
// They run in READ COMMITTED, where each statement sees what was committed before it: after a lock
// was waited for, what its holder did is seen.
#include "postgres/schema.h"

namespace bx::postgres {

const char* const schema_functions_shared = R"(
CREATE OR REPLACE FUNCTION bxhook.now_ms() RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint
$$;

CREATE OR REPLACE FUNCTION bxhook.state_name(a_state integer) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT (ARRAY['waiting', 'running', 'done', 'dead', 'merged', 'cancelled'])[a_state + 1]
$$;

-- A claim's run has begun, for all we know: it has an attempt.
CREATE OR REPLACE FUNCTION bxhook.is_started(a_event bigint, a_hook text, a_attempt integer)
RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT 1 FROM bxhook.attempt
        WHERE event = a_event AND hook = a_hook AND attempt = a_attempt)
$$;

CREATE OR REPLACE FUNCTION bxhook.lane_key(a_hook text, a_portal bytea, a_lane bytea)
RETURNS integer
LANGUAGE sql IMMUTABLE AS $$
    SELECT hashtext(a_hook || ' ' || encode(a_portal, 'hex') || ' ' || encode(a_lane, 'hex'))
$$;

CREATE OR REPLACE FUNCTION bxhook.lock_lanes(a_keys integer[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_key integer;
BEGIN
    FOR v_key IN SELECT DISTINCT k FROM unnest(a_keys) AS k WHERE k IS NOT NULL ORDER BY k LOOP
        PERFORM pg_advisory_xact_lock(1652058217, v_key);
    END LOOP;
END $$;

-- Adds to the counters, in the order of their names, so that two who do cannot wait for each other.
CREATE OR REPLACE FUNCTION bxhook.count_up(a_shard integer, a_hooks text[], a_whats text[],
    a_bys bigint[])
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO bxhook.tally AS t (hook, what, shard, n)
    SELECT h, w, a_shard, sum(b) FROM unnest(a_hooks, a_whats, a_bys) AS u (h, w, b)
    GROUP BY h, w HAVING sum(b) <> 0 ORDER BY h, w
    ON CONFLICT (hook, what, shard) DO UPDATE SET n = t.n + excluded.n;
END $$;

-- Gives a lane's turn to whom it belongs; its lock is held.  One delivery has come to the lane, or
-- some have left it: who has the turn is the first or the second of those that wait.
CREATE OR REPLACE FUNCTION bxhook.settle(a_hook text, a_portal bytea, a_lane bytea, a_now bigint)
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
CREATE OR REPLACE FUNCTION bxhook.deliveries_ended(a_shard integer, a_events bigint[],
    a_states integer[],
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
CREATE OR REPLACE FUNCTION bxhook.end_waiting(a_shard integer, a_event bigint, a_hook text,
    a_state integer,
    a_into bigint, a_now bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE bxhook.delivery SET state = a_state, turn = NULL, due_at = NULL, failed_at = NULL,
        ended_at = a_now, merged_into = a_into, reason = ''
    WHERE event = a_event AND hook = a_hook;
    PERFORM bxhook.count_up(a_shard, ARRAY[a_hook, a_hook],
        ARRAY['waiting', bxhook.state_name(a_state)], ARRAY[-1, 1]);
    PERFORM bxhook.deliveries_ended(a_shard, ARRAY[a_event], ARRAY[a_state], ARRAY[a_now]);
END $$;

CREATE OR REPLACE FUNCTION bxhook.unfinished() RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum(n), 0)::bigint FROM bxhook.tally WHERE hook = '' AND what = 'unfinished'
$$;

-- A new event becomes skipped, with a_retryable to be matched anew; false when it is not new any
-- more.
CREATE OR REPLACE FUNCTION bxhook.skip(a_shard integer, a_event bigint, a_reason bytea,
    a_now bigint, a_retryable boolean) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    UPDATE bxhook.event SET state = 2, reason = a_reason, ended_at = a_now,
        erased = erased OR NOT a_retryable, dead = a_retryable::integer
    WHERE n = a_event AND state = 0;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF NOT a_retryable THEN
        DELETE FROM bxhook.secret WHERE event = a_event;
    END IF;
    PERFORM bxhook.count_up(a_shard, ARRAY['', '', ''], ARRAY['new', 'skipped', 'unfinished'],
        ARRAY[-1, 1, -1]);
    RETURN true;
END $$;

CREATE OR REPLACE FUNCTION bxhook.skip(a_shard integer, a_event bigint, a_reason bytea,
    a_now bigint) RETURNS boolean LANGUAGE sql AS $$
    SELECT bxhook.skip(a_shard, a_event, a_reason, a_now, false)
$$;
)";

const char* const schema_functions_gateway = R"(
CREATE OR REPLACE FUNCTION bxhook.last_number() RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT last_value - CASE WHEN is_called THEN 0 ELSE 1 END FROM bxhook.event_number
$$;

-- Up to this number nothing is to come any more.  Of every add that is under way either the lock is
-- found, or it takes its numbers after the first statement, and they are larger.  What it commits
-- is seen by the statements after the call.  The locks have the numbers' last 31 bits.
CREATE OR REPLACE FUNCTION bxhook.seen_up_to() RETURNS bigint LANGUAGE plpgsql AS $$
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

-- Adds events and gives their numbers; again with the same key it gives what the first time gave.
-- Adds do not wait for each other, that one sync of the disk may be for several.  So a number may
-- be committed before a smaller one, and is not looked at until bxhook.seen_up_to has come to it;
-- and those who are at it at once may exceed a_limit together, by what they bring.
CREATE OR REPLACE FUNCTION bxhook.add(a_shard integer, a_key bytea, a_limit bigint,
    a_received bigint[],
    a_test bigint[], a_code text[], a_kind bytea[], a_id bytea[], a_domain bytea[],
    a_member bytea[], a_user bytea[], a_handler bytea[], a_ts bytea[], a_portal bytea[], a_lane bytea[],
    a_body bytea[], a_secret bytea[]) RETURNS SETOF bigint LANGUAGE plpgsql AS $$
DECLARE
    v_numbers bigint[];
    v_added bigint;
BEGIN
    -- The first time may not have ended yet.
    PERFORM pg_advisory_xact_lock(1652058219, hashtext(encode(a_key, 'hex')));
    SELECT numbers INTO v_numbers FROM bxhook.batch WHERE key = a_key;
    IF FOUND THEN
        -- It is committed here, and perhaps not at a standby yet: a write waits for that.
        UPDATE bxhook.batch SET numbers = v_numbers WHERE key = a_key;
        RETURN QUERY SELECT unnest(v_numbers);
        RETURN;
    END IF;
    v_added := greatest(0, least(cardinality(a_code), a_limit - bxhook.unfinished()));
    IF v_added = 0 THEN
        RETURN;
    END IF;
    -- Until the commit: it says that beyond this number some are to come.
    PERFORM pg_advisory_xact_lock_shared(1652058218, (last_value & 2147483647)::integer)
    FROM bxhook.last_number() AS s (last_value);
    SELECT array_agg(nextval('bxhook.event_number')) INTO v_numbers
    FROM generate_series(1, v_added);
    INSERT INTO bxhook.event (n, received_at, test, code, kind, id, domain, member_id, user_id,
        handler_id, ts, portal, lane)
    SELECT v_numbers[i], r, t <> 0, c, k, d, o, m, u, h, s, p, l
    FROM unnest(a_received, a_test, a_code, a_kind, a_id, a_domain, a_member, a_user, a_handler,
        a_ts, a_portal, a_lane) WITH ORDINALITY AS x (r, t, c, k, d, o, m, u, h, s, p, l, i)
    WHERE i <= v_added;
    INSERT INTO bxhook.body (event, data)
    SELECT v_numbers[i], b FROM unnest(a_body) WITH ORDINALITY AS x (b, i) WHERE i <= v_added;
    INSERT INTO bxhook.secret (event, data)
    SELECT v_numbers[i], s FROM unnest(a_secret) WITH ORDINALITY AS x (s, i)
    WHERE i <= v_added AND s <> '';
    INSERT INTO bxhook.batch (key, numbers) VALUES (a_key, v_numbers);
    PERFORM bxhook.count_up(a_shard, ARRAY['', ''], ARRAY['new', 'unfinished'],
        ARRAY[v_added, v_added]);
    RETURN QUERY SELECT unnest(v_numbers);
END $$;

-- Wakes the workers, after an add: transactions that notify commit one after another.
CREATE OR REPLACE FUNCTION bxhook.wake() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    PERFORM pg_notify('bxhook', '');
END $$;

-- Does what an add does, but for the event; gives the number of unfinished events.
CREATE OR REPLACE FUNCTION bxhook.probe(a_shard integer) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    PERFORM bxhook.count_up(a_shard, ARRAY[''], ARRAY['probe'], ARRAY[1]);
    RETURN bxhook.unfinished();
END $$;
)";

}  // namespace bx::postgres
