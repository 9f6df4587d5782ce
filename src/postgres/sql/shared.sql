-- What several of the others use.  Each change of the store is one statement, so that locks are held
-- for no round trip, and one transaction.  Parameters are a_NAME, variables v_NAME; NULL stands for
-- an array that has nothing to say.
--
-- Rows for the elements of an array are looked up behind a fence (LATERAL ... OFFSET 0), or their keys
-- are in the array (= ANY), else the planner may read the whole table in the array's order.  Of several
-- arrays of numbers one is unnested, WITH ORDINALITY, and the others are asked by its place, which
-- takes less: none of these has NULL among its elements.
--
-- What each turn of a worker calls gives true, and is called by an assignment, which takes a fraction of
-- what PERFORM takes.
--
-- They run in READ COMMITTED, where each statement sees what was committed before it: after a lock
-- was waited for, what its holder did is seen.

CREATE FUNCTION bxhook.now_ms() RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint
$$;

CREATE FUNCTION bxhook.lock_matching() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(1652058216, 1);
END $$;

-- Nobody matches, and no worker has a turn.
CREATE FUNCTION bxhook.lock_lanes() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(1652058216, 1);
    PERFORM pg_advisory_xact_lock(1652058216, 4);
END $$;

-- The number of a shard that no other session counts in, as long as there are 64 at most.  A lock of
-- the session, which ends with it.
CREATE FUNCTION bxhook.take_shard(a_seed bigint) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    FOR v_shard IN 0 .. 63 LOOP
        IF pg_try_advisory_lock(1652058220, v_shard) THEN
            RETURN v_shard;
        END IF;
    END LOOP;
    RETURN a_seed & 63;
END $$;

CREATE FUNCTION bxhook.last_number() RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT last_value - CASE WHEN is_called THEN 0 ELSE 1 END FROM bxhook.event_number
$$;

CREATE FUNCTION bxhook.unfinished() RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT bxhook.last_number() - coalesce(sum(finished), 0)::bigint FROM bxhook.event_tally
$$;

CREATE FUNCTION bxhook.hooks() RETURNS TABLE (id bigint, name text) LANGUAGE sql STABLE AS $$
    SELECT h.id, h.name FROM bxhook.hook AS h
$$;

CREATE FUNCTION bxhook.lane_key() RETURNS TABLE (key0 bigint, key1 bigint) LANGUAGE sql STABLE AS $$
    SELECT w.key0, w.key1 FROM bxhook.world AS w
$$;

-- The numbers of a name; a hook's is made when there is none.
CREATE FUNCTION bxhook.hook_id(a_name text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_id bigint;
BEGIN
    SELECT id INTO v_id FROM bxhook.hook WHERE name = a_name;
    IF NOT FOUND THEN
        PERFORM pg_advisory_xact_lock(1652058216, 5);
        INSERT INTO bxhook.hook (id, name)
        SELECT coalesce(max(id), 0) + 1, a_name FROM bxhook.hook
        WHERE NOT EXISTS (SELECT 1 FROM bxhook.hook WHERE name = a_name);
        SELECT id INTO v_id FROM bxhook.hook WHERE name = a_name;
    END IF;
    RETURN v_id;
END $$;

CREATE FUNCTION bxhook.portal_id(a_name bytea, a_member_id bytea, a_domain bytea)
RETURNS TABLE (id bigint, account bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_new bigint;
BEGIN
    IF NOT EXISTS (SELECT 1 FROM bxhook.portal
            WHERE name = a_name AND member_id = a_member_id AND domain = a_domain) THEN
        PERFORM pg_advisory_xact_lock(1652058216, 5);
        INSERT INTO bxhook.portal AS p (account, name, member_id, domain)
        SELECT coalesce((SELECT account FROM bxhook.portal WHERE name = a_name LIMIT 1), 0),
            a_name, a_member_id, a_domain
        ON CONFLICT DO NOTHING RETURNING p.id INTO v_new;
        UPDATE bxhook.portal SET account = id WHERE id = v_new AND account = 0;
    END IF;
    RETURN QUERY SELECT p.id, p.account FROM bxhook.portal AS p
    WHERE p.name = a_name AND p.member_id = a_member_id AND p.domain = a_domain;
END $$;

CREATE FUNCTION bxhook.portal_name(a_id bigint) RETURNS TABLE (member_id bytea, domain bytea)
LANGUAGE sql STABLE AS $$
    SELECT p.member_id, p.domain FROM bxhook.portal AS p WHERE p.id = a_id
$$;

-- -- Counters

CREATE FUNCTION bxhook.count_events(a_shard bigint, a_finished bigint, a_matched bigint,
    a_skipped bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF a_finished = 0 AND a_matched = 0 AND a_skipped = 0 THEN
        RETURN true;
    END IF;
    UPDATE bxhook.event_tally SET finished = finished + a_finished, matched = matched + a_matched,
        skipped = skipped + a_skipped WHERE shard = a_shard;
    IF NOT FOUND THEN
        INSERT INTO bxhook.event_tally AS t (shard, finished, matched, skipped)
        VALUES (a_shard, a_finished, a_matched, a_skipped)
        ON CONFLICT (shard) DO UPDATE SET finished = t.finished + excluded.finished,
            matched = t.matched + excluded.matched, skipped = t.skipped + excluded.skipped;
    END IF;
    RETURN true;
END $$;

-- As bxhook.count_deliveries, of open ones whose runs were done, as nearly all are, and of one hook;
-- false: they are not.
CREATE FUNCTION bxhook.count_done(a_shard bigint, a_d bigint[]) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    v_hook bigint := a_d[1] & 65535;
    v_by bigint := cardinality(a_d);
BEGIN
    IF v_by > 1 AND EXISTS (SELECT 1 FROM unnest(a_d) AS u (d) WHERE d & 65535 <> v_hook) THEN
        RETURN false;
    END IF;
    UPDATE bxhook.hook_tally SET open = open - v_by, done = done + v_by,
        ended_done = ended_done + v_by, ran_done = ran_done + v_by
    WHERE hook = v_hook AND shard = a_shard;
    RETURN FOUND;
END $$;

-- Deliveries that have gone from a state to a state: {waiting} is open, NULL none; with a_result of
-- the run that did it.  One element each.
CREATE FUNCTION bxhook.count_deliveries(a_shard bigint, a_d bigint[], a_from bigint[],
    a_to bigint[], a_result bigint[]) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF coalesce(cardinality(a_d), 0) = 0 THEN
        RETURN true;
    END IF;
    IF {waiting} = ALL (a_from) AND {done} = ALL (a_to) AND {ran_done} = ALL (a_result) THEN
        IF bxhook.count_done(a_shard, a_d) THEN
            RETURN true;
        END IF;
    END IF;
    INSERT INTO bxhook.hook_tally (hook, shard)
    SELECT DISTINCT d & 65535, a_shard FROM unnest(a_d) AS u (d) WHERE NOT EXISTS (
        SELECT 1 FROM bxhook.hook_tally AS t WHERE t.hook = d & 65535 AND t.shard = a_shard)
    ORDER BY 1 ON CONFLICT DO NOTHING;
    UPDATE bxhook.hook_tally AS t SET open = t.open + s.open, done = t.done + s.done,
        dead = t.dead + s.dead, merged = t.merged + s.merged, cancelled = t.cancelled + s.cancelled,
        ended_done = t.ended_done + s.ended_done, ended_dead = t.ended_dead + s.ended_dead,
        ended_merged = t.ended_merged + s.ended_merged,
        ended_cancelled = t.ended_cancelled + s.ended_cancelled,
        ran_done = t.ran_done + s.ran_done, ran_failed = t.ran_failed + s.ran_failed,
        ran_timeout = t.ran_timeout + s.ran_timeout, ran_lost = t.ran_lost + s.ran_lost,
        ran_interrupted = t.ran_interrupted + s.ran_interrupted,
        ran_cancelled = t.ran_cancelled + s.ran_cancelled
    FROM (
        SELECT d & 65535 AS hook,
            sum((b = {waiting})::integer - (a = {waiting})::integer) AS open,
            sum((b = {done})::integer - (a = {done})::integer) AS done,
            sum((b = {dead})::integer - (a = {dead})::integer) AS dead,
            sum((b = {merged})::integer - (a = {merged})::integer) AS merged,
            sum((b = {cancelled})::integer - (a = {cancelled})::integer) AS cancelled,
            sum((b = {done})::integer) AS ended_done, sum((b = {dead})::integer) AS ended_dead,
            sum((b = {merged})::integer) AS ended_merged,
            sum((b = {cancelled})::integer) AS ended_cancelled,
            sum((r = {ran_done})::integer) AS ran_done,
            sum((r = {ran_failed})::integer) AS ran_failed,
            sum((r = {ran_timeout})::integer) AS ran_timeout,
            sum((r = {ran_lost})::integer) AS ran_lost,
            sum((r = {ran_interrupted})::integer) AS ran_interrupted,
            sum((r = {ran_cancelled})::integer) AS ran_cancelled
        FROM (SELECT d, coalesce(a, -1) AS a, coalesce(b, -1) AS b, coalesce(r, -1) AS r
            FROM unnest(a_d, a_from, a_to, a_result) AS u (d, a, b, r)) AS moved
        GROUP BY 1 ORDER BY 1) AS s
    WHERE t.hook = s.hook AND t.shard = a_shard;
    RETURN true;
END $$;
