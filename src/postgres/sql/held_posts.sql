-- Held posts.  The caller has the lock of installations.

-- Whose a post is: `same`, it has its token; else a verified one that has none yet.  What only
-- brings an installation, with the token of a verified one, is verified beside that; a page beside
-- one that is broken too.
CREATE FUNCTION bxhook.place_of_post(a_member bytea, a_token bytea, a_brings boolean,
    a_only_brings boolean)
RETURNS TABLE (id bigint, same boolean, pending boolean, unclaimed boolean)
LANGUAGE sql STABLE AS $$
    SELECT p.id, p.same, p.state = {of_pending}, p.client_id <> '' FROM (
        SELECT i.*, coalesce(a_token = i.application_token, false)
            OR coalesce(bxhook.has_digest(i.application_token_before, a_token), false)
            OR coalesce(a_token = i.page_key, false) AS same
        FROM bxhook.installation AS i WHERE i.member_id = a_member AND i.state < {of_gone}
            AND (i.state = {of_pending} OR NOT a_only_brings)
            AND (i.state <> {of_broken} OR NOT a_brings)) AS p
    WHERE p.same OR p.state <> {of_pending} AND p.application_token IS NULL
    ORDER BY p.same DESC, p.state = {of_pending}, p.id LIMIT 1
$$;

-- For one more of a peer that is not verified; has_room false: there is none.  portal and by_peer of
-- the one that was erased for it.
CREATE FUNCTION bxhook.make_room(a_peer bytea, a_limits bigint[])
RETURNS TABLE (has_room boolean, portal bytea, by_peer bytea) LANGUAGE plpgsql AS $$
DECLARE
    v_most record;
BEGIN
    has_room := (SELECT count(*) FROM bxhook.installation
        WHERE state = {of_pending} AND client_id = '') < a_limits[4];
    IF NOT has_room THEN
        SELECT peer, max(id) AS newest, count(*) OVER () AS peers INTO v_most
        FROM bxhook.installation WHERE state = {of_pending} AND client_id = ''
        GROUP BY peer ORDER BY count(*) DESC, max(id) DESC LIMIT 1;
        IF v_most.newest IS NOT NULL AND (v_most.peer <> a_peer OR v_most.peers > 1) THEN
            SELECT true, coalesce(nullif(i.domain, ''), i.member_id), i.peer
            INTO has_room, portal, by_peer
            FROM bxhook.installation AS i WHERE i.id = v_most.newest;
            PERFORM bxhook.erase_installation(v_most.newest);
        END IF;
    END IF;
    RETURN NEXT;
END $$;

-- What is in the way of one more post of an installation: HoldResult, {hold_held} for nothing.  Of
-- one that has no application_token the oldest with another than a_token makes room, since none is
-- proven to be the right one.  a_token NULL: it has one.
CREATE FUNCTION bxhook.bound_of(a_id bigint, a_unclaimed boolean, a_token bytea,
    a_bytes bigint, a_limits bigint[]) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_sum record;
    v_full boolean := (SELECT count(*) FROM bxhook.held_post WHERE installation = a_id AND counted)
        >= a_limits[1];
    v_oldest bigint;
BEGIN
    IF v_full THEN
        SELECT min(id) INTO v_oldest FROM bxhook.held_post
        WHERE installation = a_id AND counted AND token <> a_token;
    END IF;
    IF v_full AND v_oldest IS NULL THEN
        RETURN {hold_full_of_installation};
    END IF;
    SELECT count(*) AS posts, coalesce(sum(bytes), 0) AS bytes INTO v_sum
    FROM bxhook.held_post WHERE counted;
    IF v_sum.posts >= a_limits[2] OR v_sum.bytes + a_bytes > a_limits[3] THEN
        RETURN {hold_full};
    END IF;
    IF a_unclaimed THEN
        SELECT count(*) AS posts, coalesce(sum(h.bytes), 0) AS bytes INTO v_sum
        FROM bxhook.installation AS i CROSS JOIN LATERAL (
            SELECT * FROM bxhook.held_post AS p WHERE p.installation = i.id OFFSET 0) AS h
        WHERE i.state = {of_pending} AND i.client_id > '' AND h.counted;
        IF v_sum.posts >= a_limits[2] / 2 OR v_sum.bytes + a_bytes > a_limits[3] / 2 THEN
            RETURN {hold_full_of_unclaimed};
        END IF;
    END IF;
    IF v_full THEN
        DELETE FROM bxhook.held_post WHERE id = v_oldest;
    END IF;
    RETURN {hold_held};
END $$;

-- A page brought it, and what it brought was tried in vain.
CREATE FUNCTION bxhook.is_page_in_vain(a_id bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT 1 FROM bxhook.installation AS i
        JOIN bxhook.chore AS c ON c.installation = i.id
        WHERE i.id = a_id AND i.user_id = '' AND i.installed_ts IS NULL AND c.what = {to_verify}
            AND c.tries > 0)
$$;

-- An ONAPPINSTALL from before the one whose tokens are renewed already comes late; a page may be of
-- any user, and is taken where what is there was of no use.
CREATE FUNCTION bxhook.is_fresher(a_id bigint, a_kind bigint, a_ts bigint) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN a_kind = {kind_install} THEN NOT EXISTS (SELECT 1 FROM bxhook.installation
        WHERE id = a_id AND renewed_at IS NOT NULL AND installed_ts > a_ts)
        ELSE bxhook.is_page_in_vain(a_id) END
$$;

-- One post, of which a_user to a_peer count only where it brings an installation; a_bytes 0: it does
-- nothing else.  replaced and by_peer of one that was erased to make room for it.
CREATE FUNCTION bxhook.hold_post(a_kind bigint, a_member bytea, a_token bytea, a_at bigint,
    a_bytes bigint, a_data bytea, a_domain bytea, a_user bytea, a_ts bigint, a_tokens bytea,
    a_expires bigint, a_server bytea, a_peer bytea, a_limits bigint[])
RETURNS TABLE (held bigint, replaced bytea, by_peer bytea) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_place record;
    v_brings boolean := a_kind <> {kind_post};
    v_id bigint;
    v_has_room boolean;
BEGIN
    held := {hold_held};
    SELECT * INTO v_place
    FROM bxhook.place_of_post(a_member, a_token, v_brings, v_brings AND a_bytes = 0);
    IF v_place.same AND NOT v_place.pending OR v_place.id IS NULL AND NOT v_brings THEN
        held := {hold_changed};
        RETURN NEXT;
        RETURN;
    END IF;
    v_id := v_place.id;
    IF v_brings AND v_place.same IS NOT TRUE THEN
        SELECT r.has_room, r.portal, r.by_peer INTO v_has_room, replaced, by_peer
        FROM bxhook.make_room(a_peer, a_limits) AS r;
        IF NOT v_has_room THEN
            held := {hold_full_of_unverified};
            RETURN NEXT;
            RETURN;
        END IF;
        INSERT INTO bxhook.installation AS i (member_id, client_id, state, domain, user_id,
            application_token, page_key, token_expires_at, server, peer, installed_at, installed_ts)
        VALUES (a_member, '', {of_pending}, a_domain, a_user,
            CASE WHEN a_kind <> {kind_page_key} THEN a_token END,
            CASE WHEN a_kind = {kind_page_key} THEN a_token END, a_expires, a_server, a_peer, a_at,
            a_ts) RETURNING i.id INTO v_id;
        INSERT INTO bxhook.chore (installation, what, due_at, tries) VALUES (v_id, {to_verify}, a_at, 0);
        PERFORM bxhook.keep_tokens(v_id, a_tokens);
    ELSIF v_brings AND bxhook.is_fresher(v_id, a_kind, a_ts) THEN
        UPDATE bxhook.installation SET domain = coalesce(nullif(a_domain, ''), domain),
            user_id = coalesce(nullif(a_user, ''), user_id), server = a_server,
            token_expires_at = a_expires, installed_at = a_at,
            installed_ts = coalesce(a_ts, installed_ts), renewed_at = NULL WHERE id = v_id;
        PERFORM bxhook.begin_chore(v_id, {to_verify}, a_at) FROM bxhook.chore
        WHERE installation = v_id AND what = {to_verify};
        PERFORM bxhook.bring_tokens(v_id, a_tokens);
    END IF;
    IF a_bytes = 0 OR v_place.same AND a_kind IN ({kind_page}, {kind_page_key}) THEN
        RETURN NEXT;
        RETURN;
    END IF;
    IF v_id = v_place.id THEN
        held := bxhook.bound_of(v_id, v_place.unclaimed AND v_place.same,
            CASE WHEN NOT v_place.same THEN a_token END, a_bytes, a_limits);
    END IF;
    INSERT INTO bxhook.held_post (installation, received_at, bytes, counted, token, data)
    SELECT v_id, a_at, a_bytes, v_id IS NOT DISTINCT FROM v_place.id, a_token, a_data
    WHERE held = {hold_held};
    RETURN NEXT;
END $$;

-- Posts, one element each; gives what became of each, and those that were replaced.
CREATE FUNCTION bxhook.hold_posts(a_kind bigint[], a_member bytea[], a_token bytea[], a_at bigint[],
    a_bytes bigint[], a_data bytea[], a_domain bytea[], a_user bytea[], a_ts bigint[],
    a_tokens bytea[], a_expires bigint[], a_server bytea[], a_peer bytea[], a_limits bigint[])
RETURNS TABLE (held bigint[], replaced bytea[], by_peer bytea[]) LANGUAGE plpgsql AS $$
DECLARE
    v_one record;
    v_members bytea[] := '{}';  -- of posts that brought nothing and are held
BEGIN
    held := '{}';
    FOR i IN 1 .. cardinality(a_kind) LOOP
        SELECT * INTO v_one FROM bxhook.hold_post(a_kind[i], a_member[i], a_token[i], a_at[i],
            a_bytes[i], a_data[i], a_domain[i], a_user[i], nullif(a_ts[i], {no_number}),
            a_tokens[i], nullif(a_expires[i], 0), a_server[i], a_peer[i], a_limits);
        held := held || v_one.held;
        IF v_one.replaced IS NOT NULL THEN
            replaced := replaced || v_one.replaced;
            by_peer := by_peer || v_one.by_peer;
        END IF;
        IF a_kind[i] = {kind_post} AND v_one.held = {hold_held} THEN
            v_members := v_members || a_member[i];
        END IF;
    END LOOP;
    PERFORM bxhook.begin_chore(i.id, {to_adopt}, a_at[1]) FROM bxhook.installation AS i
    WHERE i.member_id = ANY (v_members) AND i.state IN ({of_active}, {of_broken})
        AND i.application_token IS NULL
        AND EXISTS (SELECT 1 FROM bxhook.held_post AS h WHERE h.installation = i.id);
    RETURN NEXT;
END $$;

-- bxhook.add, with posts to be held, and the same with a key that is there.  Gives the events as it
-- does, then what became of each post, then those that were replaced.
CREATE FUNCTION bxhook.add_and_hold(a_key bytea, a_now bigint, a_limit bigint,
    a_received_at bigint[], a_portal bigint[], a_lane bigint[], a_event_ts bigint[],
    a_facts bytea[], a_body bytea[], a_secret bytea[], a_origin bigint[], a_installation bigint[],
    a_delayed bigint[], a_kind bigint[], a_member bytea[], a_token bytea[], a_at bigint[],
    a_bytes bigint[], a_data bytea[], a_domain bytea[], a_user bytea[], a_ts bigint[],
    a_tokens bytea[], a_expires bigint[], a_server bytea[], a_peer bytea[], a_limits bigint[])
RETURNS TABLE (n bigint, wake boolean, held bigint, replaced bytea, by_peer bytea)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_held bigint[];
    v_replaced bytea[];
    v_by_peer bytea[];
BEGIN
    PERFORM bxhook.lock_installations();
    v_held := (SELECT b.held FROM bxhook.batch AS b WHERE key = a_key);
    IF v_held IS NULL THEN
        SELECT h.held, h.replaced, h.by_peer INTO v_held, v_replaced, v_by_peer
        FROM bxhook.hold_posts(a_kind, a_member, a_token, a_at, a_bytes, a_data, a_domain, a_user,
            a_ts, a_tokens, a_expires, a_server, a_peer, a_limits) AS h;
    END IF;
    IF cardinality(a_body) > 0 THEN
        RETURN QUERY SELECT a.n, a.wake, NULL::bigint, NULL::bytea, NULL::bytea
        FROM bxhook.add(a_key, a_now, a_limit, a_received_at, a_portal, a_lane, a_event_ts,
            a_facts, a_body, a_secret, a_origin, a_installation, a_delayed) AS a;
    END IF;
    INSERT INTO bxhook.batch AS b (key, at, numbers, held) VALUES (a_key, a_now, '{}', v_held)
    ON CONFLICT (key) DO UPDATE SET held = excluded.held;
    RETURN QUERY SELECT NULL::bigint, false, u.h, NULL::bytea, NULL::bytea
        FROM unnest(v_held) AS u (h);
    RETURN QUERY SELECT NULL::bigint, false, NULL::bigint, u.portal, u.peer
        FROM unnest(v_replaced, v_by_peer) AS u (portal, peer);
END $$;
