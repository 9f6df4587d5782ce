// The functions of the schema that retry, cancel, prune, and take over another store.
// shared_sql.cpp says how they are made.
#include "postgres/schema.h"

namespace bx::postgres {

const char* const schema_functions_operate = R"(
-- Dead and cancelled deliveries of an event, with a_done also done ones, wait again; a_extra more
-- attempts are given to each.  Those that wait become due; a claim that has not begun is as good.
CREATE OR REPLACE FUNCTION bxhook.retry(a_shard integer, a_event bigint, a_hook text[],
    a_extra bigint[],
    a_done boolean, a_now bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_old record;
    v_count bigint := 0;
    v_open integer;
BEGIN
    PERFORM bxhook.lock_lanes(array_agg(bxhook.lane_key(hook, portal, lane)))
    FROM bxhook.delivery WHERE event = a_event AND hook = ANY (a_hook) AND lane IS NOT NULL;
    FOR v_old IN
        SELECT d.hook, d.state, d.portal, d.lane, u.x AS extra FROM bxhook.delivery AS d
        JOIN unnest(a_hook, a_extra) AS u (h, x) ON d.hook = u.h
        WHERE d.event = a_event AND (d.state IN (0, 3, 5) OR a_done AND d.state = 2
            OR d.state = 1 AND NOT bxhook.is_started(d.event, d.hook, d.attempt))
        ORDER BY d.hook FOR UPDATE OF d
    LOOP
        IF v_old.state < 2 THEN
            UPDATE bxhook.delivery SET due_at = least(due_at, a_now),
                turn = CASE WHEN turn IS NOT NULL THEN 2 END
            WHERE event = a_event AND hook = v_old.hook AND state = 0;
            v_count := v_count + 1;
            CONTINUE;
        END IF;
        UPDATE bxhook.delivery SET state = 0, due_at = a_now, ended_at = NULL, failed_at = NULL,
            reason = '', granted = attempt, max_attempts = attempt + v_old.extra,
            turn = CASE WHEN lane IS NULL THEN 2 END
        WHERE event = a_event AND hook = v_old.hook;
        SELECT open INTO v_open FROM bxhook.event WHERE n = a_event FOR UPDATE;
        UPDATE bxhook.event SET open = open + 1, ended_at = NULL,
            dead = dead - CASE WHEN v_old.state = 3 THEN 1 ELSE 0 END WHERE n = a_event;
        PERFORM bxhook.count_up(a_shard, ARRAY[v_old.hook, v_old.hook, ''],
            ARRAY[bxhook.state_name(v_old.state), 'waiting', 'unfinished'],
            ARRAY[-1, 1, CASE WHEN v_open = 0 THEN 1 ELSE 0 END]);
        PERFORM bxhook.settle(v_old.hook, v_old.portal, v_old.lane, a_now);
        v_count := v_count + 1;
    END LOOP;
    PERFORM pg_notify('bxhook', '');
    RETURN v_count;
END $$;

-- A skipped event is new again.
CREATE OR REPLACE FUNCTION bxhook.renew(a_shard integer, a_event bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE bxhook.event SET state = 0, ended_at = NULL, reason = '', dead = 0, refused_more = 0
    WHERE n = a_event AND state = 2;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    DELETE FROM bxhook.refusal WHERE event = a_event;
    PERFORM bxhook.count_up(a_shard, ARRAY['', '', ''], ARRAY['skipped', 'new', 'unfinished'],
        ARRAY[-1, 1, 1]);
    PERFORM pg_notify('bxhook', '');
    RETURN true;
END $$;

-- A skipped event is not to be matched again; false when it was not to be.
CREATE OR REPLACE FUNCTION bxhook.give_up(a_event bigint, a_reason bytea, a_now bigint)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    UPDATE bxhook.event SET ended_at = a_now, reason = a_reason, dead = 0, erased = true
    WHERE n = a_event AND state = 2 AND dead > 0;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    DELETE FROM bxhook.secret WHERE event = a_event;
    RETURN true;
END $$;

-- Cancels what of these deliveries waits, and with a_kill marks what runs; gives what became of
-- each: 0 nothing, 1 cancelled, 2 marked, 3 it runs and stays.
CREATE OR REPLACE FUNCTION bxhook.cancel(a_shard integer, a_event bigint, a_hook text[],
    a_kill boolean,
    a_now bigint) RETURNS TABLE (name text, did integer) LANGUAGE plpgsql AS $$
DECLARE
    v_old record;
BEGIN
    PERFORM bxhook.lock_lanes(array_agg(bxhook.lane_key(d.hook, d.portal, d.lane)))
    FROM bxhook.delivery AS d WHERE d.event = a_event AND d.hook = ANY (a_hook)
        AND d.lane IS NOT NULL;
    FOR v_old IN
        SELECT d.hook, d.state, d.portal, d.lane FROM bxhook.delivery AS d
        WHERE d.event = a_event AND d.hook = ANY (a_hook) ORDER BY d.hook FOR UPDATE
    LOOP
        name := v_old.hook;
        did := 0;
        IF v_old.state = 0 THEN
            PERFORM bxhook.end_waiting(a_shard, a_event, v_old.hook, 5, NULL, a_now);
            PERFORM bxhook.settle(v_old.hook, v_old.portal, v_old.lane, a_now);
            did := 1;
        ELSIF v_old.state = 1 AND a_kill THEN
            INSERT INTO bxhook.kill_wish (event, hook) VALUES (a_event, v_old.hook)
            ON CONFLICT DO NOTHING;
            did := 2;
        ELSIF v_old.state = 1 THEN
            did := 3;
        END IF;
        RETURN NEXT;
    END LOOP;
    PERFORM pg_notify('bxhook', '');
END $$;

-- Takes over events of another store with their numbers; gives how many were not there yet.
CREATE OR REPLACE FUNCTION bxhook.take(a_shard integer, a_now bigint, a_n bigint[],
    a_state bigint[],
    a_ended bigint[], a_erased bigint[], a_received bigint[], a_test bigint[], a_code text[],
    a_kind bytea[], a_id bytea[], a_domain bytea[], a_member bytea[], a_user bytea[],
    a_handler bytea[], a_ts bytea[], a_portal bytea[], a_lane bytea[], a_why bytea[],
    a_body bytea[], a_secret bytea[], a_refused_event bigint[], a_refused_hook text[],
    a_refused_why bytea[]) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    v_new bigint[];
BEGIN
    WITH added AS (
        INSERT INTO bxhook.event (n, state, ended_at, erased, received_at, test, code, kind, id,
            domain, member_id, user_id, handler_id, ts, portal, lane, reason)
        SELECT n, s, e, x <> 0, r, t <> 0, c, k, d, o, m, u, h, z, p, l, w
        FROM unnest(a_n, a_state, a_ended, a_erased, a_received, a_test, a_code, a_kind, a_id,
            a_domain, a_member, a_user, a_handler, a_ts, a_portal, a_lane, a_why)
            AS v (n, s, e, x, r, t, c, k, d, o, m, u, h, z, p, l, w)
        ON CONFLICT (n) DO NOTHING RETURNING n
    )
    SELECT array_agg(n) INTO v_new FROM added;
    INSERT INTO bxhook.body (event, data)
    SELECT n, b FROM unnest(a_n, a_body) AS u (n, b) WHERE n = ANY (v_new);
    INSERT INTO bxhook.secret (event, data)
    SELECT n, s FROM unnest(a_n, a_secret) AS u (n, s) WHERE n = ANY (v_new) AND s <> '';
    INSERT INTO bxhook.refusal (event, hook, reason)
    SELECT n, h, w FROM unnest(a_refused_event, a_refused_hook, a_refused_why) AS u (n, h, w)
    WHERE n = ANY (v_new);
    PERFORM bxhook.count_up(a_shard, array_agg(''::text) || array_agg(''::text),
        array_agg((ARRAY['new', 'matched', 'skipped'])[s + 1]) || array_agg('unfinished'::text),
        array_agg(1) || array_agg(CASE WHEN e IS NULL THEN 1 ELSE 0 END))
    FROM unnest(a_n, a_state, a_ended) AS u (n, s, e) WHERE n = ANY (v_new);
    RETURN v_new;
END $$;

-- The deliveries of events that were taken over in the same transaction.
CREATE OR REPLACE FUNCTION bxhook.take_deliveries(a_shard integer, a_now bigint, a_new bigint[],
    a_event bigint[], a_hook text[], a_state bigint[], a_ordered bigint[], a_attempt bigint[],
    a_max bigint[], a_due bigint[], a_failed bigint[], a_ended bigint[], a_merged bigint[],
    a_why bytea[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM bxhook.lock_lanes(array_agg(bxhook.lane_key(h, e.portal, e.lane)))
    FROM unnest(a_event, a_hook, a_ordered) AS d (n, h, o) JOIN bxhook.event AS e USING (n)
    WHERE n = ANY (a_new) AND o <> 0 AND e.lane IS NOT NULL;
    -- A running one is that of a worker which is gone.
    INSERT INTO bxhook.delivery (event, hook, state, turn, owner, portal, lane, attempt,
        max_attempts, due_at, failed_at, ended_at, merged_into, reason)
    SELECT n, h, s, CASE WHEN s <> 0 OR o <> 0 AND e.lane IS NOT NULL THEN NULL
            WHEN d.due <= a_now THEN 2 ELSE 1 END,
        CASE WHEN s = 1 THEN 0 END, e.portal, CASE WHEN o <> 0 THEN e.lane END, a, m, d.due,
        d.failed, d.ended, d.merged, d.why
    FROM unnest(a_event, a_hook, a_state, a_ordered, a_attempt, a_max, a_due, a_failed, a_ended,
        a_merged, a_why) AS d (n, h, s, o, a, m, due, failed, ended, merged, why)
    JOIN bxhook.event AS e USING (n) WHERE n = ANY (a_new);
    UPDATE bxhook.event AS e SET open = sums.open, dead = sums.dead FROM (
        SELECT n, count(*) FILTER (WHERE s < 2) AS open, count(*) FILTER (WHERE s = 3) AS dead
        FROM unnest(a_event, a_state) AS d (n, s) WHERE n = ANY (a_new) GROUP BY n) AS sums
    WHERE e.n = sums.n;
    PERFORM bxhook.count_up(a_shard, array_agg(h), array_agg(bxhook.state_name(s::integer)),
        array_agg(1))
    FROM unnest(a_event, a_hook, a_state) AS d (n, h, s) WHERE n = ANY (a_new);
    PERFORM bxhook.settle(hook, portal, lane, a_now) FROM (
        SELECT DISTINCT d.hook, d.portal, d.lane FROM unnest(a_event, a_hook) AS u (n, h)
        JOIN bxhook.delivery AS d ON d.event = n AND d.hook = h
        WHERE n = ANY (a_new) AND d.state < 2) AS lanes;
END $$;

-- What prune may delete, locked; a_passed_over stays.
CREATE OR REPLACE FUNCTION bxhook.prunable(a_done_before bigint, a_dead_before bigint, a_most bigint,
    a_passed_over bigint[]) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    v_done bigint[];
    v_dead bigint[] := '{}';
BEGIN
    SELECT coalesce(array_agg(n), '{}') INTO v_done FROM (
        SELECT n FROM bxhook.event WHERE ended_at IS NOT NULL AND dead = 0
            AND ended_at < a_done_before AND n <> ALL (a_passed_over)
        ORDER BY ended_at LIMIT a_most FOR UPDATE SKIP LOCKED
    ) AS old;
    IF a_dead_before > 0 THEN
        -- What else became of such an event keeps it for as long as that is kept.
        SELECT coalesce(array_agg(n), '{}') INTO v_dead FROM (
            SELECT n FROM bxhook.event AS e WHERE ended_at IS NOT NULL AND dead > 0
                AND ended_at < a_dead_before AND n <> ALL (a_passed_over)
                AND NOT EXISTS (SELECT 1 FROM bxhook.delivery AS d
                    WHERE d.event = e.n AND d.state <> 3 AND d.ended_at >= a_done_before)
            ORDER BY ended_at LIMIT a_most - cardinality(v_done) FOR UPDATE OF e SKIP LOCKED
        ) AS old;
    END IF;
    RETURN v_done || v_dead;
END $$;

CREATE OR REPLACE FUNCTION bxhook.prune(a_shard integer, a_done_before bigint, a_dead_before bigint,
    a_most bigint, a_passed_over bigint[], a_batch_before bytea) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_all bigint[];
    v_hooks text[];
    v_whats text[];
BEGIN
    DELETE FROM bxhook.batch WHERE key IN (
        SELECT key FROM bxhook.batch WHERE key < a_batch_before ORDER BY key LIMIT 10000
        FOR UPDATE SKIP LOCKED);
    v_all := bxhook.prunable(a_done_before, a_dead_before, a_most, a_passed_over);
    IF cardinality(v_all) = 0 THEN
        RETURN 0;
    END IF;
    -- Fewer when many rows are theirs.
    SELECT array_agg(n) INTO v_all FROM (
        SELECT n, sum(of) OVER (ORDER BY i) - of AS before FROM (
            SELECT n, i, (SELECT count(*) FROM bxhook.delivery AS d WHERE d.event = n)
                + (SELECT count(*) FROM bxhook.attempt AS a WHERE a.event = n)
                + (SELECT count(*) FROM bxhook.refusal AS r WHERE r.event = n) AS of
            FROM unnest(v_all) WITH ORDINALITY AS u (n, i)) AS counted) AS summed
    WHERE before < 10 * a_most;
    DELETE FROM bxhook.attempt WHERE event = ANY (v_all);
    DELETE FROM bxhook.refusal WHERE event = ANY (v_all);
    DELETE FROM bxhook.body WHERE event = ANY (v_all);
    DELETE FROM bxhook.secret WHERE event = ANY (v_all);
    WITH gone AS (DELETE FROM bxhook.delivery WHERE event = ANY (v_all) RETURNING hook, state)
    SELECT array_agg(hook), array_agg(bxhook.state_name(state)) INTO v_hooks, v_whats FROM gone;
    WITH gone AS (DELETE FROM bxhook.event WHERE n = ANY (v_all) RETURNING state)
    SELECT v_hooks || array_agg(''::text),
        v_whats || array_agg(CASE state WHEN 1 THEN 'matched' ELSE 'skipped' END)
    INTO v_hooks, v_whats FROM gone;
    PERFORM bxhook.count_up(a_shard, v_hooks, v_whats,
        array_fill(-1::bigint, ARRAY[cardinality(v_hooks)]));
    RETURN cardinality(v_all);
END $$;
)";

}  // namespace bx::postgres
