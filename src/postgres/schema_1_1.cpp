// What schema version 1.1 adds.  tables_sql.cpp and shared_sql.cpp say how all is made.
#include "postgres/schema.h"

namespace bx::postgres {

// `once` has one row at most, see OnceRecord (store/records.h).  `clock`: see store/clock_watch.h;
// its `wall` is the database's clock.  `hooks_seen`: see MatchQueue::fingerprint.  `refusal.rule`: a
// HookRule.  `delivery.granted`: attempts begun when a person last gave it attempts; until now the
// time of the first failure since then has to tell.
const char* const schema_tables_1_1 = R"(
ALTER TABLE bxhook.event ADD COLUMN refused_more bigint NOT NULL DEFAULT 0;
ALTER TABLE bxhook.worker ADD COLUMN trouble bytea NOT NULL DEFAULT '',
    ADD COLUMN once boolean NOT NULL DEFAULT false;
CREATE TABLE bxhook.once (
    one boolean PRIMARY KEY DEFAULT true,
    left_at bigint NOT NULL,
    host text NOT NULL,
    trouble bytea NOT NULL
);
CREATE TABLE bxhook.clock (
    boot text PRIMARY KEY,
    up bigint NOT NULL,
    wall bigint NOT NULL,
    step bigint NOT NULL
);
CREATE TABLE bxhook.hooks_seen (host text PRIMARY KEY, fingerprint text NOT NULL,
    seen_at bigint NOT NULL);
CREATE INDEX event_retryable ON bxhook.event (n) WHERE state = 2 AND dead > 0;
ALTER TABLE bxhook.refusal ADD COLUMN rule smallint NOT NULL DEFAULT 5;
UPDATE bxhook.refusal SET rule = 0 WHERE substring(reason FROM 1 FOR 6) = 'event '::bytea;
ALTER TABLE bxhook.delivery ADD COLUMN granted integer NOT NULL DEFAULT 0;
UPDATE bxhook.delivery AS d SET granted = CASE WHEN failed_at IS NULL THEN attempt - state
    ELSE (SELECT count(*) FROM bxhook.attempt AS a WHERE a.event = d.event
        AND a.hook = d.hook AND a.ended_at < d.failed_at) END
WHERE state < 2 AND attempt > 0;
)";

const char* const schema_functions_1_1 = R"(
-- show_worker, with what 1.0 did not know.
CREATE OR REPLACE FUNCTION bxhook.worker_stays(a_id bigint, a_host text, a_pid bigint, a_version text,
    a_since bigint, a_running bigint, a_error bytea, a_trouble bytea, a_once boolean,
    a_lease bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM bxhook.show_worker(a_id, a_host, a_pid, a_version, a_since, a_running, a_error,
        a_lease);
    UPDATE bxhook.worker SET trouble = a_trouble, once = a_once
    WHERE id = a_id AND (trouble <> a_trouble OR once <> a_once);
    IF NOT a_once THEN
        DELETE FROM bxhook.once;
    END IF;
END $$;

CREATE OR REPLACE FUNCTION bxhook.worker_leaves(a_id bigint, a_host text, a_trouble bytea, a_once boolean)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM bxhook.worker WHERE id = a_id;
    IF a_once THEN
        INSERT INTO bxhook.once (left_at, host, trouble)
        VALUES (bxhook.now_ms(), a_host, a_trouble)
        ON CONFLICT (one) DO UPDATE SET left_at = excluded.left_at, host = excluded.host,
            trouble = excluded.trouble;
    END IF;
END $$;

-- Makes the delivery of an event for a hook that did not take it; false when there is one, or the
-- event is new, or gone.
CREATE OR REPLACE FUNCTION bxhook.deliver(a_shard integer, a_event bigint, a_hook text, a_ordered boolean,
    a_max bigint, a_now bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v_event record;
BEGIN
    PERFORM bxhook.lock_lanes(ARRAY[bxhook.lane_key(a_hook, portal, lane)])
    FROM bxhook.event WHERE n = a_event AND a_ordered AND lane IS NOT NULL;
    SELECT state, open, portal, CASE WHEN a_ordered THEN lane END AS lane INTO v_event
    FROM bxhook.event WHERE n = a_event AND state <> 0 FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO bxhook.delivery (event, hook, turn, portal, lane, max_attempts, due_at)
    VALUES (a_event, a_hook, CASE WHEN v_event.lane IS NULL THEN 2 END, v_event.portal,
        v_event.lane, a_max, a_now)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    DELETE FROM bxhook.refusal WHERE event = a_event AND hook = a_hook;
    UPDATE bxhook.event SET state = 1, open = open + 1, ended_at = NULL,
        dead = CASE WHEN state = 2 THEN 0 ELSE dead END,
        reason = CASE WHEN state = 2 THEN '' ELSE reason END
    WHERE n = a_event;
    PERFORM bxhook.count_up(a_shard, ARRAY[a_hook, '', '', ''],
        ARRAY['waiting', 'unfinished', 'skipped', 'matched'],
        ARRAY[1, CASE WHEN v_event.open = 0 THEN 1 ELSE 0 END,
            CASE WHEN v_event.state = 2 THEN -1 ELSE 0 END,
            CASE WHEN v_event.state = 2 THEN 1 ELSE 0 END]);
    PERFORM bxhook.settle(a_hook, v_event.portal, v_event.lane, a_now);
    PERFORM pg_notify('bxhook', '');
    RETURN true;
END $$;
)";

}  // namespace bx::postgres
