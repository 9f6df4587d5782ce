-- Installations that a person brings, and takes along.

-- Brought::Result, as numbers: 0 made, 1 mended, 2 there.  a_token NULL: it is not known.
CREATE FUNCTION bxhook.bring_installation(a_member bytea, a_client bytea, a_token bytea,
    a_problem bytea, a_tokens bytea, a_now bigint) RETURNS TABLE (id bigint, result bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_row record;
    v_id bigint;
BEGIN
    PERFORM bxhook.lock_installations();
    SELECT i.id, i.state INTO v_row FROM bxhook.installation AS i
    WHERE i.member_id = a_member AND i.client_id = a_client
        AND i.state IN ({of_active}, {of_broken})
    ORDER BY i.state, i.id LIMIT 1;
    IF v_row.state = {of_active} THEN
        RETURN QUERY SELECT v_row.id, 2::bigint;
        RETURN;
    END IF;
    IF v_row.id IS NULL THEN
        INSERT INTO bxhook.installation AS i (member_id, client_id, state, domain, user_id,
            application_token, problem, installed_at)
        VALUES (a_member, a_client, {of_broken}, '', '', a_token, a_problem, a_now)
        RETURNING i.id INTO v_id;
    ELSE
        v_id := v_row.id;
        UPDATE bxhook.installation SET token_expires_at = NULL,
            application_token_before = CASE
                WHEN a_token IS NULL OR application_token IS NOT DISTINCT FROM a_token
                THEN application_token_before ELSE application_token END,
            application_token = coalesce(a_token, application_token)
        WHERE id = v_id;
    END IF;
    PERFORM bxhook.bring_tokens(v_id, a_tokens);
    PERFORM bxhook.begin_chore(v_id, {to_bind}, a_now);
    RETURN QUERY SELECT v_id, (v_row.id IS NOT NULL)::integer::bigint;
END $$;

CREATE FUNCTION bxhook.installations_to_take_along()
RETURNS TABLE (member_id bytea, client_id bytea, application_token bytea, tokens bytea)
LANGUAGE sql STABLE AS $$
    SELECT i.member_id, i.client_id, i.application_token, t.data
    FROM bxhook.installation AS i JOIN bxhook.token AS t ON t.installation = i.id
    WHERE i.state IN ({of_active}, {of_broken}) ORDER BY i.member_id, i.client_id
$$;
