-- Installations.

CREATE FUNCTION bxhook.lock_installations() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(1652058216, 6);
END $$;

-- columns known_row: i.id, i.member_id, i.client_id, i.domain, i.user_id, i.application_token, i.application_token_before, i.page_key, i.state
-- Those of senders that are not gone, and the verified ones of domains; one may come twice.
CREATE FUNCTION bxhook.known_installations(a_members bytea[], a_domains bytea[])
RETURNS TABLE (id bigint, member_id bytea, client_id bytea, domain bytea, user_id bytea,
    application_token bytea, application_token_before bytea, page_key bytea, state smallint)
LANGUAGE sql STABLE AS $$
    SELECT {known_row} FROM unnest(a_members) AS u (name) CROSS JOIN LATERAL (
        SELECT * FROM bxhook.installation AS j WHERE j.member_id = u.name OFFSET 0) AS i
    WHERE i.state < {of_gone}
    UNION ALL
    SELECT {known_row} FROM unnest(a_domains) AS u (name) CROSS JOIN LATERAL (
        SELECT * FROM bxhook.installation AS j WHERE j.domain = u.name OFFSET 0) AS i
    WHERE i.state IN ({of_active}, {of_broken})
$$;

CREATE FUNCTION bxhook.has_installations() RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT 1 FROM bxhook.installation)
$$;

CREATE FUNCTION bxhook.retire_tokens(a_id bigint[], a_seen bytea[]) RETURNS void LANGUAGE sql AS $$
    UPDATE bxhook.installation AS i SET application_token_before = NULL
    FROM unnest(a_id, a_seen) AS u (id, seen) WHERE i.id = u.id AND i.application_token = u.seen
$$;

-- columns idle_renewal: 1728000000
CREATE FUNCTION bxhook.heal_installation(a_id bigint, a_user bytea, a_tokens bytea,
    a_expires bigint, a_now bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM bxhook.lock_installations();
    UPDATE bxhook.installation SET state = {of_active}, problem = NULL,
        token_expires_at = a_expires, renewed_at = a_now
    WHERE id = a_id AND state = {of_broken} AND user_id = a_user;
    IF FOUND THEN
        PERFORM bxhook.bring_tokens(a_id, a_tokens);
        PERFORM bxhook.set_chore(a_id, {to_renew}, a_now, a_now + {idle_renewal});
    END IF;
END $$;

CREATE FUNCTION bxhook.keep_tokens(a_id bigint, a_tokens bytea) RETURNS void LANGUAGE sql AS $$
    INSERT INTO bxhook.token (installation, data) VALUES (a_id, a_tokens)
    ON CONFLICT (installation) DO UPDATE SET data = excluded.data
$$;

-- Locks the row, so that no renewal ends meanwhile.
CREATE FUNCTION bxhook.has_tokens(a_id bigint, a_tokens bytea) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM bxhook.installation WHERE id = a_id FOR UPDATE;
    RETURN EXISTS (SELECT 1 FROM bxhook.token WHERE installation = a_id AND data = a_tokens);
END $$;

-- Tokens that no renewal gave: unless it has them already, a lease ends.
CREATE FUNCTION bxhook.bring_tokens(a_id bigint, a_tokens bytea) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT bxhook.has_tokens(a_id, a_tokens) THEN
        UPDATE bxhook.installation SET lease_until = NULL, lease_by = NULL WHERE id = a_id;
        PERFORM bxhook.keep_tokens(a_id, a_tokens);
    END IF;
END $$;

-- Digests of 32 bytes stand one behind the other.
CREATE FUNCTION bxhook.has_digest(a_digests bytea, a_digest bytea) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT EXISTS (SELECT 1 FROM generate_series(1, length(a_digests), 32) AS s (at)
        WHERE substring(a_digests FROM s.at FOR 32) = a_digest)
$$;

-- a_digests with those of an installation that are not among them yet, the newest first.
CREATE FUNCTION bxhook.with_digests_of(a_digests bytea, a_id bigint) RETURNS bytea
LANGUAGE plpgsql AS $$
DECLARE
    v_all bytea := a_digests;
    v_more bytea;
    v_one bytea;
BEGIN
    v_more := (SELECT coalesce(application_token, '') || coalesce(application_token_before, '')
        FROM bxhook.installation WHERE id = a_id);
    FOR v_at IN 0 .. length(v_more) / 32 - 1 LOOP
        v_one := substring(v_more FROM v_at * 32 + 1 FOR 32);
        IF NOT bxhook.has_digest(v_all, v_one) THEN
            v_all := v_all || v_one;
        END IF;
    END LOOP;
    RETURN v_all;
END $$;

-- -- Read

-- columns shown_installation: i.id, i.member_id, i.client_id, i.state, i.domain, i.user_id, i.client_endpoint, i.server, i.scope, i.plan_status, i.peer, coalesce(i.problem, (SELECT c.problem FROM bxhook.chore AS c WHERE c.installation = i.id AND c.problem IS NOT NULL ORDER BY c.what LIMIT 1)) AS problem, i.installed_at, i.installed_ts, i.token_expires_at, i.renewed_at, i.application_token IS NOT NULL AS known, i.lease_by IS NOT NULL AS leased, (SELECT count(*) FROM bxhook.held_post AS h WHERE h.installation = i.id) AS held
-- All of them, or those of a member_id or domain.
CREATE FUNCTION bxhook.show_installations(a_all boolean, a_member bytea, a_domain bytea)
RETURNS TABLE (id bigint, member_id bytea, client_id bytea, state smallint, domain bytea,
    user_id bytea, client_endpoint bytea, server bytea, scope bytea, plan_status bytea, peer bytea,
    problem bytea, installed_at bigint, installed_ts bigint, token_expires_at bigint,
    renewed_at bigint, known boolean, leased boolean, held bigint) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    IF a_all THEN
        RETURN QUERY SELECT {shown_installation} FROM bxhook.installation AS i
        ORDER BY i.domain, i.id;
    ELSE
        RETURN QUERY SELECT {shown_installation} FROM bxhook.installation AS i
        WHERE i.member_id = a_member OR i.domain = a_domain ORDER BY i.domain, i.id;
    END IF;
END $$;

CREATE FUNCTION bxhook.find_installation(a_id bigint)
RETURNS TABLE (id bigint, member_id bytea, client_id bytea, state smallint, domain bytea,
    user_id bytea, client_endpoint bytea, server bytea, scope bytea, plan_status bytea, peer bytea,
    problem bytea, installed_at bigint, installed_ts bigint, token_expires_at bigint,
    renewed_at bigint, known boolean, leased boolean, held bigint, tokens bytea)
LANGUAGE sql STABLE AS $$
    SELECT {shown_installation}, t.data FROM bxhook.installation AS i
    LEFT JOIN bxhook.token AS t ON t.installation = i.id WHERE i.id = a_id
$$;

-- -- Becoming active

-- What a pending installation becomes, as an application: itself, or the one that is on that portal
-- already; no row: it is not pending.
CREATE FUNCTION bxhook.heir_of(a_id bigint, a_client bytea)
RETURNS TABLE (heir bigint, member_id bytea) LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT e.id FROM bxhook.installation AS e WHERE e.member_id = i.member_id
        AND e.client_id = a_client AND e.state > {of_pending}
        ORDER BY e.state, e.id DESC LIMIT 1), a_id), i.member_id
    FROM bxhook.installation AS i WHERE i.id = a_id AND i.state = {of_pending}
$$;

-- Others of the same application that wait for its block, the newest first.
CREATE FUNCTION bxhook.unclaimed_beside(a_id bigint, a_client bytea) RETURNS bigint[]
LANGUAGE sql STABLE AS $$
    SELECT ARRAY(SELECT o.id FROM bxhook.installation AS i JOIN bxhook.installation AS o
        ON o.member_id = i.member_id AND o.client_id = a_client
        WHERE i.id = a_id AND o.state = {of_pending} AND o.id <> a_id ORDER BY o.id DESC)
$$;

-- The posts of one that becomes a_heir, in order of receipt: with those of others that wait for its
-- block, and those that were held for a_heir since it did not know their token, which is a_id's.
CREATE FUNCTION bxhook.posts_for(a_id bigint, a_heir bigint, a_client bytea)
RETURNS TABLE (id bigint, received_at bigint, data bytea) LANGUAGE sql STABLE AS $$
    SELECT h.id, h.received_at, h.data FROM bxhook.held_post AS h
    WHERE h.installation = a_id OR h.installation = ANY (bxhook.unclaimed_beside(a_id, a_client))
        OR h.installation = a_heir AND h.token = (
            SELECT i.application_token FROM bxhook.installation AS i WHERE i.id = a_id)
    ORDER BY h.id
$$;

-- Those of one that has a_token from now on.
CREATE FUNCTION bxhook.posts_with(a_id bigint, a_token bytea)
RETURNS TABLE (id bigint, received_at bigint, data bytea) LANGUAGE sql STABLE AS $$
    SELECT h.id, h.received_at, h.data FROM bxhook.held_post AS h
    WHERE h.installation = a_id AND h.token = a_token ORDER BY h.id
$$;

CREATE FUNCTION bxhook.installation_name(a_id bigint)
RETURNS TABLE (member_id bytea, domain bytea) LANGUAGE sql STABLE AS $$
    SELECT i.member_id, i.domain FROM bxhook.installation AS i WHERE i.id = a_id
$$;

-- columns digest_now: nullif(substring(v_digests FROM 1 FOR 32), '')
-- columns digests_before: nullif(substring(v_digests FROM 33 FOR 96), '')
-- The fields of one that is proven.
CREATE FUNCTION bxhook.become_active(a_id bigint, a_heir bigint, a_client bytea, a_domain bytea,
    a_user bytea, a_endpoint bytea, a_server bytea, a_scope bytea, a_plan bytea, a_expires bigint,
    a_now bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_new record;
    v_other bigint;
    v_digests bytea := bxhook.with_digests_of('', a_id);
BEGIN
    FOREACH v_other IN ARRAY bxhook.unclaimed_beside(a_id, a_client) LOOP
        v_digests := bxhook.with_digests_of(v_digests, v_other);
    END LOOP;
    v_digests := bxhook.with_digests_of(v_digests, a_heir);  -- of one that is gone: none
    SELECT installed_at AS at, installed_ts AS ts INTO v_new
    FROM bxhook.installation WHERE id = a_id;
    UPDATE bxhook.installation SET
        application_token = {digest_now}, application_token_before = {digests_before},
        client_id = a_client, state = {of_active}, domain = a_domain, user_id = a_user,
        page_key = NULL, token_expires_at = a_expires, client_endpoint = a_endpoint,
        server = a_server, scope = a_scope, plan_status = a_plan, installed_at = v_new.at,
        installed_ts = v_new.ts, renewed_at = a_now, gone_at = NULL, lease_until = NULL,
        lease_by = NULL, problem = NULL
    WHERE id = a_heir;
END $$;

-- Events as bxhook.add takes them, of the posts a_posts, which are removed.  0: done; 3: the posts are
-- others by now.
CREATE FUNCTION bxhook.make_events(a_key bytea, a_at bigint, a_received_at bigint[],
    a_portal bigint[], a_lane bigint[], a_ts bigint[], a_facts bytea[], a_body bytea[],
    a_secret bytea[], a_origin bigint[], a_installation bigint[], a_delayed bigint[],
    a_posts bigint[], a_there bigint[]) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    IF a_posts <> a_there THEN
        RETURN 3;
    END IF;
    IF cardinality(a_body) > 0 THEN
        PERFORM bxhook.add(a_key, a_at, 9223372036854775807, a_received_at, a_portal, a_lane, a_ts,
            a_facts, a_body, a_secret, a_origin, a_installation, a_delayed);
    END IF;
    DELETE FROM bxhook.held_post WHERE id = ANY (a_posts);
    RETURN 0;
END $$;

-- Result as Activation::Result; 3: again, with what bxhook.heir_of and bxhook.posts_for say now.
CREATE FUNCTION bxhook.activate(a_key bytea, a_at bigint, a_received_at bigint[],
    a_portal bigint[], a_lane bigint[], a_ts bigint[], a_facts bytea[], a_body bytea[],
    a_secret bytea[], a_origin bigint[], a_installation bigint[], a_delayed bigint[],
    a_posts bigint[], a_id bigint, a_heir bigint, a_client bytea, a_domain bytea, a_user bytea,
    a_endpoint bytea, a_server bytea, a_scope bytea, a_plan bytea, a_tokens bytea,
    a_expires bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_result bigint;
BEGIN
    PERFORM bxhook.lock_installations();
    v_result := (SELECT heir FROM bxhook.heir_of(a_id, a_client));
    IF v_result IS NULL THEN
        RETURN 1;
    END IF;
    IF NOT bxhook.has_tokens(a_id, a_tokens) THEN
        RETURN 2;
    END IF;
    IF v_result <> a_heir THEN
        RETURN 3;
    END IF;
    v_result := bxhook.make_events(a_key, a_at, a_received_at, a_portal, a_lane, a_ts,
        a_facts, a_body, a_secret, a_origin, a_installation, a_delayed, a_posts,
        ARRAY(SELECT id FROM bxhook.posts_for(a_id, a_heir, a_client)));
    IF v_result <> 0 THEN
        RETURN v_result;
    END IF;
    PERFORM bxhook.become_active(a_id, a_heir, a_client, a_domain, a_user, a_endpoint, a_server,
        a_scope, a_plan, a_expires, a_at);
    PERFORM bxhook.keep_tokens(a_heir, a_tokens);
    DELETE FROM bxhook.held_post AS h USING bxhook.installation AS i
    WHERE h.installation = a_heir AND i.id = a_heir AND i.application_token IS NOT NULL;
    PERFORM bxhook.erase_installation(u.id)
    FROM unnest(bxhook.unclaimed_beside(a_id, a_client)) AS u (id);
    DELETE FROM bxhook.chore WHERE installation = a_id;
    PERFORM bxhook.set_chore(a_heir, {to_renew}, a_at, a_at + {idle_renewal});
    PERFORM bxhook.begin_chore_anew(a_heir, {to_bind}, a_at);
    IF a_heir <> a_id THEN
        PERFORM bxhook.erase_installation(a_id);
    END IF;
    RETURN 0;
END $$;

CREATE FUNCTION bxhook.adopt_token(a_key bytea, a_at bigint, a_received_at bigint[],
    a_portal bigint[], a_lane bigint[], a_ts bigint[], a_facts bytea[], a_body bytea[],
    a_secret bytea[], a_origin bigint[], a_installation bigint[], a_delayed bigint[],
    a_posts bigint[], a_id bigint, a_token bytea) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_result bigint;
BEGIN
    PERFORM bxhook.lock_installations();
    IF NOT EXISTS (SELECT 1 FROM bxhook.installation WHERE id = a_id
            AND state IN ({of_active}, {of_broken})
            AND coalesce(application_token = a_token, true)) THEN
        RETURN 1;
    END IF;
    v_result := bxhook.make_events(a_key, a_at, a_received_at, a_portal, a_lane, a_ts,
        a_facts, a_body, a_secret, a_origin, a_installation, a_delayed, a_posts,
        ARRAY(SELECT id FROM bxhook.posts_with(a_id, a_token)));
    IF v_result = 0 THEN
        UPDATE bxhook.installation SET application_token = a_token WHERE id = a_id;
        DELETE FROM bxhook.chore WHERE installation = a_id AND what = {to_adopt};
        DELETE FROM bxhook.held_post WHERE installation = a_id;
    END IF;
    RETURN v_result;
END $$;

-- Those with a_token up to the post a_last, which was judged; gives how many.
CREATE FUNCTION bxhook.refuse_token(a_id bigint, a_token bytea, a_last bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_erased bigint;
BEGIN
    PERFORM bxhook.lock_installations();
    DELETE FROM bxhook.held_post WHERE installation = a_id AND token = a_token AND id <= a_last
        AND EXISTS (SELECT 1 FROM bxhook.installation AS i WHERE i.id = a_id
            AND i.state IN ({of_active}, {of_broken}) AND i.application_token IS NULL);
    GET DIAGNOSTICS v_erased = ROW_COUNT;
    RETURN v_erased;
END $$;

-- Result as Keeping.
CREATE FUNCTION bxhook.keep_unclaimed(a_id bigint, a_client bytea, a_domain bytea, a_user bytea,
    a_endpoint bytea, a_server bytea, a_scope bytea, a_plan bytea, a_tokens bytea, a_most bigint)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_others bigint[];
    v_other record;
    v_by_page boolean;
    v_digests bytea;
    v_tell boolean;
BEGIN
    PERFORM bxhook.lock_installations();
    SELECT client_id <> a_client INTO v_tell FROM bxhook.installation
    WHERE id = a_id AND state = {of_pending};
    IF NOT FOUND OR NOT bxhook.has_tokens(a_id, a_tokens) THEN
        RETURN 2;
    END IF;
    v_others := bxhook.unclaimed_beside(a_id, a_client);
    IF v_others = '{}' AND (SELECT count(*) FROM bxhook.installation
            WHERE state = {of_pending} AND client_id > '') >= a_most THEN
        RETURN 1;
    END IF;
    v_tell := v_tell AND v_others = '{}' OR EXISTS (SELECT 1 FROM bxhook.chore
        WHERE installation = ANY (v_others || a_id) AND what = {to_tell});
    v_digests := bxhook.with_digests_of('', a_id);
    v_by_page := v_digests = '';
    FOR v_other IN SELECT o.id, o.application_token FROM bxhook.installation AS o
            WHERE o.id = ANY (v_others) ORDER BY o.id DESC LOOP
        IF v_by_page AND v_other.application_token IS NOT NULL THEN
            PERFORM bxhook.erase_installation(a_id);
            RETURN 0;
        END IF;
        v_digests := bxhook.with_digests_of(v_digests, v_other.id);
        IF v_by_page THEN
            DELETE FROM bxhook.held_post WHERE installation = a_id;
        END IF;
        UPDATE bxhook.held_post SET counted = true WHERE installation = a_id;
        UPDATE bxhook.held_post SET installation = a_id WHERE installation = v_other.id;
        PERFORM bxhook.erase_installation(v_other.id);
    END LOOP;
    UPDATE bxhook.installation SET client_id = a_client, application_token = {digest_now},
        application_token_before = {digests_before}, domain = a_domain, user_id = a_user,
        client_endpoint = a_endpoint, server = a_server, scope = a_scope, plan_status = a_plan,
        problem = NULL
    WHERE id = a_id;
    DELETE FROM bxhook.chore WHERE installation = a_id;
    IF v_tell THEN
        PERFORM bxhook.begin_chore(a_id, {to_tell}, bxhook.now_ms());
    END IF;
    RETURN 0;
END $$;

-- Of the posts of one that is verified the last with each token.
CREATE FUNCTION bxhook.held_proofs(a_id bigint)
RETURNS TABLE (id bigint, token bytea, data bytea) LANGUAGE sql STABLE AS $$
    SELECT h.id, h.token, h.data FROM bxhook.held_post AS h
    WHERE h.id IN (SELECT max(p.id) FROM bxhook.held_post AS p WHERE p.installation = a_id
        GROUP BY p.token)
        AND EXISTS (SELECT 1 FROM bxhook.installation AS i WHERE i.id = a_id
            AND i.state <> {of_pending})
    ORDER BY h.id
$$;

CREATE FUNCTION bxhook.erase_installation(a_id bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM bxhook.lock_installations();
    DELETE FROM bxhook.held_post WHERE installation = a_id;
    DELETE FROM bxhook.token WHERE installation = a_id;
    DELETE FROM bxhook.chore WHERE installation = a_id;
    DELETE FROM bxhook.binding WHERE installation = a_id;
    DELETE FROM bxhook.installation WHERE id = a_id;
END $$;

-- The verdict on a pending one is of these tokens, user and server; false: it has others by now, or
-- somebody has or had a lease.
CREATE FUNCTION bxhook.refuse_installation(a_id bigint, a_user bytea, a_server bytea,
    a_tokens bytea) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM bxhook.lock_installations();
    IF NOT bxhook.has_tokens(a_id, a_tokens) THEN
        RETURN false;
    END IF;
    IF NOT EXISTS (SELECT 1 FROM bxhook.installation AS i WHERE i.id = a_id
            AND i.state = {of_pending} AND i.user_id = a_user
            AND coalesce(i.server, '') = a_server AND i.lease_until IS NULL) THEN
        RETURN false;
    END IF;
    PERFORM bxhook.erase_installation(a_id);
    RETURN true;
END $$;

-- -- Tokens

-- For a_lasting milliseconds; no row: another has it, or the installation is gone.
CREATE FUNCTION bxhook.take_lease(a_id bigint, a_holder text, a_lasting bigint)
RETURNS TABLE (tokens bytea, expires bigint, in_doubt boolean) LANGUAGE plpgsql AS $$
DECLARE
    v_now bigint;
    v_row record;
BEGIN
    SELECT * INTO v_row FROM bxhook.installation WHERE id = a_id AND state <> {of_gone} FOR UPDATE;
    v_now := bxhook.now_ms();  -- not before the wait for the row: another may have it since
    -- One that reaches further than any lease lasts is of a clock that was set back since.
    -- What this holder has already was given to it by a call whose answer was lost.
    IF NOT FOUND OR v_row.lease_until > v_now AND v_row.lease_until <= v_now + a_lasting
            AND v_row.lease_by IS DISTINCT FROM a_holder THEN
        RETURN;
    END IF;
    UPDATE bxhook.installation SET lease_until = v_now + a_lasting, lease_by = a_holder
    WHERE id = a_id;
    RETURN QUERY SELECT (SELECT t.data FROM bxhook.token AS t WHERE t.installation = a_id),
        v_row.token_expires_at,
        v_row.lease_until IS NOT NULL AND v_row.lease_by IS DISTINCT FROM a_holder;
END $$;

-- a_tokens NULL: the renewal brought nothing; the other fields NULL: as before.
CREATE FUNCTION bxhook.end_lease(a_id bigint, a_holder text, a_tokens bytea, a_expires bigint,
    a_endpoint bytea, a_domain bytea, a_scope bytea, a_user bytea, a_server bytea, a_now bigint)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    -- Who had it last stays: the end may be given again.
    UPDATE bxhook.installation SET lease_until = NULL
    WHERE id = a_id AND lease_by = a_holder AND lease_until IS NOT NULL;
    IF NOT FOUND THEN
        RETURN EXISTS (SELECT 1 FROM bxhook.installation WHERE id = a_id AND lease_by = a_holder);
    END IF;
    IF a_tokens IS NOT NULL THEN
        UPDATE bxhook.installation SET token_expires_at = a_expires, renewed_at = a_now,
            client_endpoint = coalesce(a_endpoint, client_endpoint),
            domain = coalesce(a_domain, domain), scope = coalesce(a_scope, scope),
            server = coalesce(a_server, server),
            user_id = CASE user_id WHEN '' THEN a_user ELSE user_id END,
            problem = CASE WHEN state <> {of_broken} THEN problem END,
            state = CASE WHEN state = {of_broken} THEN {of_active} ELSE state END
        WHERE id = a_id;
        PERFORM bxhook.keep_tokens(a_id, a_tokens);
        PERFORM bxhook.set_chore(a_id, {to_renew}, a_now, a_now + {idle_renewal})
        FROM bxhook.installation WHERE id = a_id AND state = {of_active};
    END IF;
    RETURN true;
END $$;

CREATE FUNCTION bxhook.tokens_of(a_id bigint) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT data FROM bxhook.token WHERE installation = a_id
$$;

-- a_again NULL: for good.
CREATE FUNCTION bxhook.note_refused(a_id bigint, a_holder text, a_problem bytea, a_again bigint)
RETURNS void LANGUAGE sql AS $$
    UPDATE bxhook.chore SET due_at = a_again, tries = tries + 1, problem = a_problem, began_at = NULL
    WHERE a_again IS NOT NULL AND installation = a_id AND what = {to_renew}
        AND EXISTS (SELECT 1 FROM bxhook.installation WHERE id = a_id AND state = {of_active}
            AND lease_by = a_holder AND lease_until IS NOT NULL);
    WITH refused AS (
        UPDATE bxhook.installation SET problem = a_problem,
            state = CASE WHEN state = {of_active} THEN {of_broken} ELSE state END
        WHERE a_again IS NULL AND id = a_id AND state IN ({of_pending}, {of_active})
            AND lease_by = a_holder AND lease_until IS NOT NULL
        RETURNING state)
    SELECT bxhook.begin_chore(a_id, {to_tell}, bxhook.now_ms()) FROM refused
    WHERE state = {of_broken};
    DELETE FROM bxhook.chore WHERE installation = a_id AND what = {to_renew}
        AND EXISTS (SELECT 1 FROM bxhook.installation WHERE id = a_id AND state = {of_broken})
$$;

-- -- The end

-- a_ts NULL: it is no number.
CREATE FUNCTION bxhook.uninstalled(a_id bigint, a_ts bigint, a_received_at bigint, a_now bigint)
RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM bxhook.lock_installations();
    UPDATE bxhook.installation SET state = {of_gone}, gone_at = a_now, application_token = NULL,
        application_token_before = NULL, token_expires_at = NULL, lease_until = NULL,
        lease_by = NULL, problem = NULL
    WHERE id = a_id AND state <> {of_gone}
        AND NOT coalesce(a_ts < installed_ts, a_received_at < installed_at);
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    DELETE FROM bxhook.held_post WHERE installation = a_id;
    DELETE FROM bxhook.token WHERE installation = a_id;
    DELETE FROM bxhook.chore WHERE installation = a_id;
    DELETE FROM bxhook.binding WHERE installation = a_id;
    RETURN true;
END $$;

CREATE FUNCTION bxhook.drop_old_installations(a_pending_before bigint, a_gone_before bigint,
    a_most bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_old bigint[];
    v_posts bigint;
BEGIN
    PERFORM bxhook.lock_installations();
    v_old := ARRAY(
        SELECT id FROM bxhook.installation WHERE state = {of_pending}
            AND installed_at < a_pending_before
        UNION ALL
        SELECT id FROM bxhook.installation WHERE state = {of_gone} AND gone_at < a_gone_before
        LIMIT a_most);
    PERFORM bxhook.erase_installation(id) FROM unnest(v_old) AS u (id);
    DELETE FROM bxhook.held_post WHERE id IN (
        SELECT h.id FROM bxhook.held_post AS h JOIN bxhook.installation AS i
            ON i.id = h.installation
        WHERE i.state <> {of_pending} AND h.received_at < a_pending_before LIMIT a_most);
    GET DIAGNOSTICS v_posts = ROW_COUNT;
    RETURN cardinality(v_old) + v_posts;
END $$;

-- -- Shown

CREATE FUNCTION bxhook.installation_states()
RETURNS TABLE (state smallint, number bigint) LANGUAGE sql STABLE AS $$
    SELECT i.state, count(*) FROM bxhook.installation AS i GROUP BY i.state
$$;

CREATE FUNCTION bxhook.held_count() RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT count(*) FROM bxhook.held_post
$$;
