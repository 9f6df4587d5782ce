-- Installations that a person brings, and takes along.

-- One that is pending is not of that application before it is verified; one that is gone stays so.
-- columns brought_row: id, state
-- @brought (member_id, client_id)
SELECT {brought_row} FROM installation INDEXED BY installation_member
WHERE member_id = :member_id AND client_id = :client_id AND state IN (1, 2) ORDER BY state, id LIMIT 1;

-- @brought_add (member_id, client_id, token, problem, now)
INSERT INTO installation (member_id, client_id, state, domain, user_id, application_token, problem,
    installed_at)
VALUES (:member_id, :client_id, 2, '', '', :token, :problem, :now);

-- @brought_mend (id, token)
UPDATE installation SET token_expires_at = NULL,
    application_token_before = CASE WHEN :token IS NULL OR application_token IS :token
        THEN application_token_before ELSE application_token END,
    application_token = coalesce(:token, application_token)
WHERE id = :id;

-- columns taken_along: id, member_id, client_id, application_token
-- @installations_to_take_along
SELECT {taken_along} FROM installation WHERE state IN (1, 2) AND token IS NOT NULL
ORDER BY member_id, client_id;
