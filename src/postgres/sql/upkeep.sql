-- What keeps the store small.

-- Of the events after a_after those that may go, but for a_passed_over: the next, a_most at most;
-- a_look are looked at.  The last row is no event but how far it looked, and whether there are more.
CREATE FUNCTION bxhook.prunable(a_after bigint, a_done_before bigint, a_dead_before bigint,
    a_most bigint, a_look bigint, a_passed_over bigint[])
RETURNS TABLE (n bigint, looked_up_to bigint, more boolean) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_last bigint;
    v_found bigint[];
    v_looked bigint;
    v_up_to bigint;
BEGIN
    v_last := bxhook.last_prunable(a_done_before, a_dead_before);
    SELECT array_agg(w.n ORDER BY w.n) FILTER (WHERE w.n <> ALL (a_passed_over)
            AND bxhook.may_go(w.n, a_done_before, a_dead_before)),
        count(*), max(w.n) INTO v_found, v_looked, v_up_to
    FROM (SELECT e.n FROM bxhook.event AS e WHERE e.n > a_after AND e.n <= v_last
        ORDER BY e.n LIMIT a_look) AS w;
    IF cardinality(v_found) > a_most THEN
        v_found := v_found[1:a_most];
        v_up_to := v_found[a_most];
        v_looked := a_look;
    END IF;
    RETURN QUERY SELECT f, NULL::bigint, NULL::boolean FROM unnest(v_found) AS u (f);
    RETURN QUERY SELECT NULL::bigint, coalesce(v_up_to, a_after), v_looked = a_look;
END $$;

-- Those behind it came too late.
CREATE FUNCTION bxhook.last_prunable(a_done_before bigint, a_dead_before bigint) RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT least((SELECT matched FROM bxhook.world), (
        SELECT max(last) FROM bxhook.received
        WHERE minute <= greatest(a_done_before, a_dead_before) / 60000))
$$;

CREATE FUNCTION bxhook.may_go(a_n bigint, a_done_before bigint, a_dead_before bigint)
RETURNS boolean LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_skip record;
    v_end record;
BEGIN
    SELECT at, retryable INTO v_skip FROM bxhook.skipped WHERE n = a_n;
    IF FOUND THEN
        RETURN v_skip.at < CASE WHEN v_skip.retryable THEN a_dead_before ELSE a_done_before END;
    END IF;
    SELECT max(at) AS at, max(at) FILTER (WHERE state <> {dead}) AS others,
        bool_or(state = {dead}) AS dead INTO v_end
    FROM bxhook.ended WHERE d BETWEEN a_n << 16 AND a_n << 16 | 65535;
    RETURN v_end.at IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM bxhook.open WHERE d BETWEEN a_n << 16 AND a_n << 16 | 65535)
        AND NOT EXISTS (SELECT 1 FROM bxhook.unmatched WHERE n = a_n)
        AND v_end.at < CASE WHEN v_end.dead THEN a_dead_before ELSE a_done_before END
        AND coalesce(v_end.others < a_done_before, true);
END $$;

-- All events that may go, but for a_passed_over: bxhook.may_go of many at once.
CREATE FUNCTION bxhook.count_prunable(a_done_before bigint, a_dead_before bigint,
    a_passed_over bigint[]) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_last bigint := bxhook.last_prunable(a_done_before, a_dead_before);
BEGIN
    RETURN (SELECT count(*) FROM bxhook.skipped WHERE n <= v_last AND n <> ALL (a_passed_over)
            AND at < CASE WHEN retryable THEN a_dead_before ELSE a_done_before END)
        + (SELECT count(*) FROM (
            SELECT d >> 16 AS n FROM bxhook.ended WHERE d < (v_last + 1) << 16 GROUP BY d >> 16
            HAVING max(at) < CASE WHEN bool_or(state = {dead}) THEN a_dead_before
                    ELSE a_done_before END
                AND coalesce(max(at) FILTER (WHERE state <> {dead}) < a_done_before, true)) AS old
        WHERE n <> ALL (a_passed_over) AND NOT EXISTS (
                SELECT 1 FROM bxhook.open WHERE d BETWEEN n << 16 AND n << 16 | 65535)
            AND NOT EXISTS (SELECT 1 FROM bxhook.unmatched AS u WHERE u.n = old.n));
END $$;

-- Deletes of these events those that still may go, fewer when many rows are theirs; gives how many,
-- and the first it has not come to (NULL: none).
CREATE FUNCTION bxhook.prune(a_shard bigint, a_n bigint[], a_done_before bigint,
    a_dead_before bigint, a_most_rows bigint) RETURNS TABLE (deleted bigint, left_from bigint)
LANGUAGE plpgsql AS $$
DECLARE
    v_go bigint[];
    v_d bigint[];
    v_ended record;
    v_skipped bigint;
BEGIN
    PERFORM bxhook.lock_matching();
    SELECT array_agg(n) FILTER (WHERE before < a_most_rows AND bxhook.may_go(n, a_done_before,
        a_dead_before)), min(n) FILTER (WHERE before >= a_most_rows) INTO v_go, left_from
    FROM (SELECT n, sum(of) OVER (ORDER BY n) - of AS before FROM (
        SELECT n, (SELECT count(*) FROM bxhook.ended WHERE d BETWEEN n << 16 AND n << 16 | 65535)
            + (SELECT count(*) FROM bxhook.attempt WHERE d BETWEEN n << 16 AND n << 16 | 65535)
            AS of FROM unnest(a_n) AS u (n)) AS counted) AS summed;
    deleted := coalesce(cardinality(v_go), 0);
    v_d := ARRAY(SELECT e.d FROM unnest(v_go) AS u (n) CROSS JOIN LATERAL (
        SELECT d FROM bxhook.ended WHERE d BETWEEN n << 16 AND n << 16 | 65535 OFFSET 0) AS e);
    DELETE FROM bxhook.attempt WHERE d = ANY (v_d);
    WITH gone AS (DELETE FROM bxhook.ended WHERE d = ANY (v_d) RETURNING d, state::bigint)
    SELECT array_agg(d) AS d, array_agg(state) AS state INTO v_ended FROM gone;
    DELETE FROM bxhook.skipped WHERE n = ANY (v_go);
    GET DIAGNOSTICS v_skipped = ROW_COUNT;
    DELETE FROM bxhook.refusal WHERE n = ANY (v_go);
    DELETE FROM bxhook.secret WHERE n = ANY (v_go);
    DELETE FROM bxhook.event WHERE n = ANY (v_go);
    PERFORM bxhook.count_deliveries(a_shard, v_ended.d, v_ended.state, NULL, NULL);
    PERFORM bxhook.count_events(a_shard, 0, v_skipped - deleted, -v_skipped);
    RETURN NEXT;
END $$;

-- What is kept for a while: keys of batches, and the minutes of which no event is there.
CREATE FUNCTION bxhook.prune_keys(a_batch_before bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM bxhook.batch WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM bxhook.batch WHERE at < a_batch_before ORDER BY key LIMIT 10000
        FOR UPDATE SKIP LOCKED));
    DELETE FROM bxhook.received WHERE minute IN (
        SELECT minute FROM bxhook.received WHERE last < coalesce(
            (SELECT n FROM bxhook.event ORDER BY n LIMIT 1),
            (SELECT matched FROM bxhook.world)) LIMIT 10000);
END $$;

-- A step: due times after a_latest become a_latest, a_most of them; true: there may be more.  Those
-- behind another of their lane have their turn, and are capped, later.
CREATE FUNCTION bxhook.cap_due(a_latest bigint, a_most bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v_capped bigint;
BEGIN
    IF NOT EXISTS (SELECT 1 FROM bxhook.due WHERE at > a_latest) THEN
        RETURN false;
    END IF;
    PERFORM bxhook.lock_lanes();
    WITH capped AS (
        UPDATE bxhook.due SET at = a_latest WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM bxhook.due WHERE at > a_latest ORDER BY at, d LIMIT a_most))
        RETURNING d
    ), changed AS (
        UPDATE bxhook.open AS o SET due_at = a_latest FROM capped WHERE o.d = capped.d
    )
    SELECT count(*) INTO v_capped FROM capped;
    RETURN v_capped = a_most;
END $$;

CREATE FUNCTION bxhook.watch_clock(a_boot text, a_up bigint, a_wall bigint, a_step bigint,
    a_forget bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM bxhook.clock WHERE wall < a_forget;
    INSERT INTO bxhook.clock (boot, up, wall, step) VALUES (a_boot, a_up, a_wall, a_step)
    ON CONFLICT (boot) DO UPDATE SET up = a_up, wall = a_wall, step = a_step;
END $$;
