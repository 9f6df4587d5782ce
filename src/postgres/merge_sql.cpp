// The functions of the schema that coalesce.  shared_sql.cpp says how they are made.
#include "postgres/schema.h"

namespace bx::postgres {

const char* const schema_functions_merge = R"(
-- The lane's waiting deliveries of events before a_before with that code, by N; of the lane's last
-- thousand that wait before it.
CREATE OR REPLACE FUNCTION bxhook.mergeable(a_hook text, a_portal bytea, a_lane bytea, a_code text,
    a_before bigint) RETURNS bigint[] LANGUAGE plpgsql STABLE AS $$
BEGIN
    -- Not as a join: from version 16 on the server may read all events in the order of the array.
    RETURN (
        SELECT coalesce(array_agg(w.event ORDER BY w.event), '{}') FROM (
            SELECT d.event FROM bxhook.delivery AS d
            WHERE d.hook = a_hook AND d.portal = a_portal AND d.lane = a_lane AND d.state < 2
                AND d.state = 0 AND d.event < a_before
            ORDER BY d.event DESC LIMIT 1000) AS w
        WHERE (SELECT e.code FROM bxhook.event AS e WHERE e.n = w.event) = a_code);
END $$;

-- A step ahead of a dispatch of these deliveries: of a lane that has more to merge than a dispatch
-- may, the oldest, 200 at most, are merged into the newest.  False: there is none.
CREATE OR REPLACE FUNCTION bxhook.merge_ahead(a_shard integer, a_now bigint, a_event bigint[],
    a_hook text[]) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v_new record;
    v_all bigint[];
    v_old bigint[];
    v_into bigint;
    v_heir record;
    v_failed record;
BEGIN
    FOR v_new IN
        SELECT u.h AS hook, e.portal, e.lane, e.code, min(e.n) AS n
        FROM unnest(a_event, a_hook) AS u (n, h) JOIN bxhook.event AS e USING (n)
        WHERE e.state = 0 AND e.lane IS NOT NULL GROUP BY 1, 2, 3, 4
    LOOP
        v_all := bxhook.mergeable(v_new.hook, v_new.portal, v_new.lane, v_new.code, v_new.n);
        CONTINUE WHEN cardinality(v_all) <= 5;
        PERFORM bxhook.lock_lanes(ARRAY[bxhook.lane_key(v_new.hook, v_new.portal, v_new.lane)]);
        v_into := v_all[cardinality(v_all)];
        -- No claim may take those that are merged now.
        SELECT array_agg(event ORDER BY event) INTO v_old FROM (
            SELECT event FROM bxhook.delivery WHERE hook = v_new.hook AND state = 0
                AND event = ANY (v_all[1:least(200, cardinality(v_all) - 1)] || v_into)
            ORDER BY event FOR UPDATE) AS still;
        -- Another worker has been at it meanwhile, or the newest runs: it is looked at again.
        IF v_old IS NULL OR v_old[cardinality(v_old)] <> v_into OR cardinality(v_old) = 1 THEN
            RETURN true;
        END IF;
        SELECT max(attempt) AS attempt, max(max_attempts) AS max_attempts, min(due_at) AS due
        INTO v_heir FROM bxhook.delivery WHERE hook = v_new.hook AND event = ANY (v_old);
        SELECT failed_at, reason INTO v_failed FROM bxhook.delivery
        WHERE hook = v_new.hook AND event = ANY (v_old) AND failed_at IS NOT NULL
        ORDER BY event DESC LIMIT 1;
        v_old := v_old[1:cardinality(v_old) - 1];
        UPDATE bxhook.delivery SET state = 4, turn = NULL, due_at = NULL, failed_at = NULL,
            ended_at = a_now, merged_into = v_into, reason = ''
        WHERE hook = v_new.hook AND event = ANY (v_old);
        PERFORM bxhook.count_up(a_shard, ARRAY[v_new.hook, v_new.hook], ARRAY['waiting', 'merged'],
            ARRAY[-cardinality(v_old), cardinality(v_old)]);
        PERFORM bxhook.deliveries_ended(a_shard, v_old,
            array_fill(4, ARRAY[cardinality(v_old)]),
            array_fill(a_now, ARRAY[cardinality(v_old)]));
        UPDATE bxhook.delivery SET attempt = v_heir.attempt, max_attempts = v_heir.max_attempts,
            due_at = v_heir.due, failed_at = v_failed.failed_at,
            reason = coalesce(v_failed.reason, '')
        WHERE hook = v_new.hook AND event = v_into;
        PERFORM bxhook.settle(v_new.hook, v_new.portal, v_new.lane, a_now);
        RETURN true;
    END LOOP;
    RETURN false;
END $$;
)";

}  // namespace bx::postgres
