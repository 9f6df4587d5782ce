-- The registry of workers, and what dead ones have left.

-- Leases that another server process has granted begin anew: its clock is not this one's.
CREATE FUNCTION bxhook.renew_leases(a_lease bigint) RETURNS void LANGUAGE sql AS $$
    UPDATE bxhook.worker
    SET lease_until = bxhook.now_ms() + a_lease, server = pg_postmaster_start_time()
    WHERE server <> pg_postmaster_start_time()
$$;

-- So do all when the server's clock was set: where it shows a moment two seconds or more from
-- a_expected, which is what it would by the caller's steady clock (NULL: not known).
CREATE FUNCTION bxhook.renew_leases_after_step(a_now bigint, a_expected bigint, a_lease bigint)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF abs(a_now - a_expected) >= 2000 THEN
        UPDATE bxhook.worker SET lease_until = a_now + a_lease;
    END IF;
END $$;

-- Shows a worker and renews its lease.
CREATE FUNCTION bxhook.worker_stays(a_id bigint, a_host text, a_pid bigint, a_version text,
    a_since bigint, a_running bigint, a_config_error bytea, a_trouble bytea, a_once boolean,
    a_lease bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_now bigint := bxhook.now_ms();
BEGIN
    PERFORM bxhook.renew_leases(a_lease);
    INSERT INTO bxhook.worker (id, host, pid, version, since, running, config_error, trouble, once,
        seen_at, lease_until, server)
    VALUES (a_id, a_host, a_pid, a_version, a_since, a_running, a_config_error, a_trouble, a_once,
        v_now, v_now + a_lease, pg_postmaster_start_time())
    ON CONFLICT (id) DO UPDATE SET running = excluded.running,
        config_error = excluded.config_error, trouble = excluded.trouble,
        seen_at = excluded.seen_at, lease_until = excluded.lease_until, server = excluded.server;
    IF NOT a_once THEN
        DELETE FROM bxhook.once;
    END IF;
END $$;

CREATE FUNCTION bxhook.worker_leaves(a_id bigint, a_host text, a_trouble bytea, a_once boolean)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM bxhook.worker WHERE id = a_id;
    DELETE FROM bxhook.sleeper WHERE owner = a_id;
    IF a_once THEN
        INSERT INTO bxhook.once (left_at, host, trouble)
        VALUES (bxhook.now_ms(), a_host, a_trouble)
        ON CONFLICT (one) DO UPDATE SET left_at = excluded.left_at, host = excluded.host,
            trouble = excluded.trouble;
    END IF;
END $$;

-- Who holds something and is dead, as seen by a_owner.
CREATE FUNCTION bxhook.dead_holders(a_owner bigint, a_now bigint) RETURNS bigint[]
LANGUAGE sql STABLE AS $$
    SELECT coalesce(array_agg(h.owner), '{}') FROM bxhook.holder AS h
    WHERE h.owner <> a_owner AND NOT EXISTS (
        SELECT 1 FROM bxhook.worker AS w WHERE w.id = h.owner AND w.lease_until > a_now)
$$;

-- The runs of dead workers become a_owner's, and are given with those that it has already; claims of
-- both that never started wait again.  a_mine are those that it runs: a server that took over may not
-- know that they started.  a_unstarted are those that it asked to start and did not: the answer was lost,
-- or came too late.
-- a_expected is renew_leases_after_step's; the last row is no run (d is 0),
-- and its started_at the server's clock, of which the next call's is made.
CREATE FUNCTION bxhook.orphans(a_owner bigint, a_seed bigint, a_lease bigint, a_mine bigint[],
    a_unstarted bigint[], a_expected bigint)
RETURNS TABLE (d bigint, attempt integer, max_attempts integer, failures integer,
    started_at bigint, seed bigint, out_kept bytea, out_bytes bigint, err_kept bytea, err_bytes bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_now bigint := bxhook.now_ms();
    v_holder record;
BEGIN
    PERFORM bxhook.renew_leases(a_lease);
    PERFORM bxhook.renew_leases_after_step(v_now, a_expected, a_lease);
    SELECT held, running INTO v_holder FROM bxhook.holder WHERE owner = a_owner;
    IF cardinality(bxhook.dead_holders(a_owner, v_now)) > 0
            OR NOT coalesce(v_holder.held || v_holder.running, '{}') <@ a_mine
            OR cardinality(v_holder.held) > 0 THEN
        PERFORM bxhook.take_over(a_owner, a_seed, v_now, a_mine, a_unstarted);
    END IF;
    DELETE FROM bxhook.worker AS w WHERE w.lease_until <= v_now AND w.id <> a_owner;
    DELETE FROM bxhook.sleeper AS s WHERE s.owner <> a_owner AND s.asleep
        AND NOT EXISTS (SELECT 1 FROM bxhook.worker AS w WHERE w.id = s.owner);
    RETURN QUERY
    SELECT u.d, o.attempt + 1, o.max_attempts, o.failures, u.s, u.q, coalesce(t.out, ''),
        coalesce(t.out_bytes, 0), coalesce(t.err, ''), coalesce(t.err_bytes, 0)
    FROM bxhook.holder AS h CROSS JOIN LATERAL unnest(h.running, h.started, h.seeds)
        AS u (d, s, q)
    CROSS JOIN LATERAL (SELECT * FROM bxhook.open AS o WHERE o.d = u.d OFFSET 0) AS o
    LEFT JOIN LATERAL (SELECT * FROM bxhook.output AS t WHERE t.d = u.d OFFSET 0) AS t ON true
    WHERE h.owner = a_owner ORDER BY u.d;
    d := 0;
    started_at := v_now;
    RETURN NEXT;
END $$;

CREATE FUNCTION bxhook.take_over(a_owner bigint, a_seed bigint, a_now bigint, a_mine bigint[],
    a_unstarted bigint[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_dead bigint[];
    v_waiting bigint[];
    v_taken record;
BEGIN
    PERFORM bxhook.lock_lanes();
    -- None of them comes back to life meanwhile.
    PERFORM 1 FROM bxhook.worker WHERE id <> a_owner AND lease_until <= a_now ORDER BY id
    FOR UPDATE;
    v_dead := bxhook.dead_holders(a_owner, a_now);
    PERFORM 1 FROM bxhook.holder WHERE owner = ANY (v_dead || a_owner) ORDER BY owner FOR UPDATE;
    PERFORM bxhook.start(a_owner, a_seed, a_now, a_mine);
    PERFORM bxhook.hold(a_owner, v_back, v_back) FROM (SELECT array_agg(d) AS v_back
        FROM bxhook.holder AS h, unnest(h.running) AS u (d)
        WHERE h.owner = a_owner AND d = ANY (a_unstarted)) AS b WHERE v_back IS NOT NULL;
    PERFORM set_config('synchronous_commit', 'on', true);
    v_waiting := ARRAY(SELECT d FROM bxhook.holder AS h, unnest(h.held) AS u (d)
        WHERE h.owner = ANY (v_dead || a_owner) ORDER BY d);
    SELECT array_agg(d) AS d, array_agg(s) AS s, array_agg(q) AS q INTO v_taken
    FROM bxhook.holder AS h, unnest(h.running, h.started, h.seeds) AS u (d, s, q)
    WHERE h.owner = ANY (v_dead);
    DELETE FROM bxhook.holder WHERE owner = ANY (v_dead);
    UPDATE bxhook.holder SET held = '{}' WHERE owner = a_owner;
    IF v_taken.d IS NOT NULL THEN
        INSERT INTO bxhook.holder AS h (owner, running, started, seeds)
        VALUES (a_owner, v_taken.d, v_taken.s, v_taken.q)
        ON CONFLICT (owner) DO UPDATE SET running = h.running || excluded.running,
            started = h.started || excluded.started, seeds = h.seeds || excluded.seeds;
    END IF;
    -- Of what is damaged nothing will end.
    PERFORM bxhook.drop_held(ARRAY[a_owner], array_agg(d)) FROM bxhook.holder AS h, unnest(h.running)
        AS u (d) WHERE h.owner = a_owner AND NOT EXISTS (SELECT 1 FROM bxhook.open AS o
        WHERE o.d = u.d) HAVING count(*) > 0;
    UPDATE bxhook.open SET due_at = a_now WHERE d = ANY (v_waiting);
    PERFORM bxhook.put_behind(d, a_now) FROM unnest(v_waiting) AS u (d);
END $$;
