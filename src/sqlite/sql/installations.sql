-- Installations and held posts.

-- columns known_row: id, member_id, client_id, domain, user_id, application_token, application_token_before, page_key, state
-- One that was moved to another store (schema.sql) is known until the gateways use that one.
-- @known_of_member (member_id)
SELECT {known_row} FROM installation INDEXED BY installation_member
WHERE member_id = :member_id AND (state < 3 OR problem = 'moved');

-- @known_of_domain (domain)
SELECT {known_row} FROM installation INDEXED BY installation_domain
WHERE domain = :domain AND (state IN (1, 2) OR state = 3 AND problem = 'moved');

-- @installation_any
SELECT EXISTS (SELECT 1 FROM installation);

-- @token_retire (id, seen)
UPDATE installation SET application_token_before = NULL
WHERE id = :id AND application_token = :seen;

-- Holding.

-- @unverified_count
SELECT count(*) FROM installation INDEXED BY installation_state WHERE state = 0 AND client_id = '';

-- The peer that has most first.
-- columns peer_row: peer, count(*) AS number, max(id) AS newest
-- @unverified_peers
SELECT {peer_row} FROM installation INDEXED BY installation_state WHERE state = 0 AND client_id = ''
GROUP BY peer ORDER BY number DESC, newest DESC;

-- columns name_row: coalesce(nullif(domain, ''), member_id) AS portal, peer
-- @pending_name (id)
SELECT {name_row} FROM installation WHERE id = :id;

-- @unclaimed_count
SELECT count(*) FROM installation INDEXED BY installation_state WHERE state = 0 AND client_id > '';

-- @installation_bring (member_id, domain, user_id, token, page_key, expires_at, server, peer, at, ts)
INSERT INTO installation (member_id, client_id, state, domain, user_id, application_token, page_key,
    token_expires_at, server, peer, installed_at, installed_ts)
VALUES (:member_id, '', 0, :domain, :user_id, :token, :page_key, :expires_at, :server, :peer, :at,
    :ts);

-- @installation_refresh (id, domain, user_id, expires_at, server, at, ts)
UPDATE installation SET domain = coalesce(:domain, domain), user_id = coalesce(:user_id, user_id),
    token_expires_at = :expires_at, server = :server, installed_at = :at,
    installed_ts = coalesce(:ts, installed_ts), renewed_at = NULL WHERE id = :id;

-- A page brought it, and what it brought was tried in vain.
-- @page_in_vain (id)
SELECT EXISTS (SELECT 1 FROM installation AS i JOIN chore AS c ON c.installation = i.id
    WHERE i.id = :id AND i.user_id = '' AND i.installed_ts IS NULL AND c.what = 0 AND c.tries > 0);

-- Its tokens are those of a renewal, of an ONAPPINSTALL that was sent later.
-- @renewed_since (id, ts)
SELECT EXISTS (SELECT 1 FROM installation
    WHERE id = :id AND renewed_at IS NOT NULL AND installed_ts > :ts);

-- @installation_slot (id)
SELECT token FROM installation WHERE id = :id;

-- @installation_slot_set (id, slot)
UPDATE installation SET token = :slot WHERE id = :id;

-- @held_add (installation, received_at, bytes, counted, token)
INSERT INTO held_post (installation, received_at, bytes, counted, token, slot)
VALUES (:installation, :received_at, :bytes, :counted, :token, 0);

-- @held_slot_set (id, slot)
UPDATE held_post SET slot = :slot WHERE id = :id;

-- @held_of (installation)
SELECT count(*) FROM held_post WHERE installation = :installation AND counted = 1;

-- columns held_sum: count(*) AS number, coalesce(sum(bytes), 0) AS bytes
-- @held_all
SELECT {held_sum} FROM held_post WHERE counted = 1;

-- @held_unclaimed
SELECT {held_sum} FROM installation AS i INDEXED BY installation_state
    CROSS JOIN held_post AS h INDEXED BY held_post_installation ON h.installation = i.id
WHERE i.state = 0 AND i.client_id > '' AND h.counted = 1;

-- Of an installation (TOKEN NULL), or those of it with that token.
-- columns held_row: id, slot
-- @held_posts (installation, token)
SELECT {held_row} FROM held_post WHERE installation = :installation
    AND (:token IS NULL OR token = :token) ORDER BY id;

-- With another token.
-- @held_oldest (installation, token)
SELECT {held_row} FROM held_post WHERE installation = :installation AND counted = 1
    AND token <> :token ORDER BY id LIMIT 1;

-- Of verified ones, from before.
-- columns old_row: h.id, h.slot
-- @held_old (before, at_most)
SELECT {old_row} FROM held_post AS h JOIN installation AS i ON i.id = h.installation
WHERE i.state <> 0 AND h.received_at < :before LIMIT :at_most;

-- @held_move (from, into, counted)
UPDATE held_post SET installation = :into, counted = max(counted, :counted)
WHERE installation = :from;

-- @held_remove (id)
DELETE FROM held_post WHERE id = :id;

-- @chore_hasten (installation, what, due_at)
UPDATE chore SET due_at = min(due_at, :due_at) WHERE installation = :installation AND what = :what;

-- Of one that is there already it is due then at the latest.
-- @chore_begin (installation, what, due_at)
INSERT INTO chore (installation, what, due_at, tries) VALUES (:installation, :what, :due_at, 0)
ON CONFLICT (installation, what) DO UPDATE SET due_at = min(due_at, excluded.due_at);

-- @chore_is_there (installation, what)
SELECT EXISTS (SELECT 1 FROM chore WHERE installation = :installation AND what = :what);

-- @chores_remove (installation)
DELETE FROM chore WHERE installation = :installation;

-- @installation_remove (id)
DELETE FROM installation WHERE id = :id;

-- Verifying.

-- The same application on that portal, verified once.
-- @installation_of_client (member_id, client_id)
SELECT id FROM installation INDEXED BY installation_member
WHERE member_id = :member_id AND client_id = :client_id AND state > 0
ORDER BY state, id DESC LIMIT 1;

-- Others that wait for its block.
-- @unclaimed_beside (member_id, client_id, id)
SELECT id FROM installation INDEXED BY installation_member
WHERE member_id = :member_id AND client_id = :client_id AND state = 0 AND id <> :id
ORDER BY id DESC;

-- columns install_row: member_id, client_id, state, application_token, application_token_before, installed_at, installed_ts, domain
-- @install (id)
SELECT {install_row} FROM installation WHERE id = :id;

-- @installation_activate (id, client_id, domain, user_id, token, before, expires_at, endpoint, server, scope, plan, at, ts, now)
UPDATE installation SET application_token = :token, application_token_before = :before,
    client_id = :client_id, state = 1, domain = :domain, user_id = :user_id, page_key = NULL,
    token_expires_at = :expires_at, client_endpoint = :endpoint, server = :server, scope = :scope,
    plan_status = :plan, installed_at = :at, installed_ts = :ts, renewed_at = :now, gone_at = NULL,
    lease_until = NULL, lease_by = NULL, problem = NULL
WHERE id = :id;

-- @installation_keep (id, client_id, token, before, domain, user_id, endpoint, server, scope, plan)
UPDATE installation SET client_id = :client_id, application_token = :token,
    application_token_before = :before, domain = :domain, user_id = :user_id,
    client_endpoint = :endpoint, server = :server, scope = :scope, plan_status = :plan,
    problem = NULL
WHERE id = :id;

-- Pending still, of the same user and server, and nobody has or had a lease.
-- @pending_as_seen (id, user_id, server)
SELECT EXISTS (SELECT 1 FROM installation WHERE id = :id AND state = 0 AND user_id = :user_id
    AND coalesce(server, '') = :server AND lease_until IS NULL);

-- Waiting for its block, and nothing is done for it.
-- @unclaimed_of (client_id)
SELECT id FROM installation AS i INDEXED BY installation_state
WHERE state = 0 AND client_id = :client_id
    AND NOT EXISTS (SELECT 1 FROM chore AS c WHERE c.installation = i.id AND c.what = 0);

-- The last with each token.
-- columns held_proof: h.id, h.slot, h.token
-- @held_proofs (installation)
SELECT {held_proof} FROM held_post AS h WHERE h.id IN (
    SELECT max(id) FROM held_post WHERE installation = :installation GROUP BY token)
ORDER BY h.id;

-- @is_tokenless (id)
SELECT EXISTS (SELECT 1 FROM installation
    WHERE id = :id AND state IN (1, 2) AND application_token IS NULL);

-- @token_adopt (id, token)
UPDATE installation SET application_token = :token
WHERE id = :id AND state IN (1, 2) AND (application_token IS NULL OR application_token = :token);

-- Tokens.

-- columns lease_row: state, token, token_expires_at, lease_until, lease_by
-- @lease (id)
SELECT {lease_row} FROM installation WHERE id = :id;

-- @lease_set (id, until, holder)
UPDATE installation SET lease_until = :until, lease_by = :holder WHERE id = :id;

-- Who had it last stays: the end may be given again.
-- @lease_end (id)
UPDATE installation SET lease_until = NULL WHERE id = :id;

-- Its holder has lost it, and nobody knows of one.
-- @lease_drop (id)
UPDATE installation SET lease_until = NULL, lease_by = NULL WHERE id = :id;

-- @installation_renewed (id, expires_at, endpoint, domain, scope, user_id, server, now)
UPDATE installation SET token_expires_at = :expires_at, renewed_at = :now,
    client_endpoint = coalesce(:endpoint, client_endpoint), domain = coalesce(:domain, domain),
    scope = coalesce(:scope, scope), user_id = CASE user_id WHEN '' THEN :user_id ELSE user_id END,
    server = coalesce(:server, server),
    state = CASE WHEN state = 2 THEN 1 ELSE state END,
    problem = CASE WHEN state = 2 THEN NULL ELSE problem END
WHERE id = :id;

-- @installation_break (id, holder, problem)
UPDATE installation SET state = CASE WHEN state = 1 THEN 2 ELSE state END, problem = :problem
WHERE id = :id AND state IN (0, 1) AND lease_by = :holder AND lease_until IS NOT NULL;

-- @renewal_postpone (id, holder, problem, due_at)
UPDATE chore SET due_at = :due_at, tries = tries + 1, problem = :problem, began_at = NULL
WHERE installation = :id AND what = 1 AND EXISTS (SELECT 1 FROM installation
    WHERE id = :id AND state = 1 AND lease_by = :holder AND lease_until IS NOT NULL);

-- @installation_heal (id, user_id, expires_at, now)
UPDATE installation SET state = 1, problem = NULL, token_expires_at = :expires_at,
    renewed_at = :now
WHERE id = :id AND state = 2 AND user_id = :user_id;

-- Of one that has tokens which can be renewed.
-- @renewal_set (id, due_at)
INSERT OR REPLACE INTO chore (installation, what, due_at, tries)
SELECT id, 1, :due_at, 0 FROM installation WHERE id = :id AND state = 1;

-- The end.

-- @installation_gone (id, now)
UPDATE installation SET state = 3, gone_at = :now, application_token = NULL,
    application_token_before = NULL, token = NULL, token_expires_at = NULL, lease_until = NULL,
    lease_by = NULL, problem = NULL
WHERE id = :id;

-- @installations_old (pending_before, gone_before, at_most)
SELECT id FROM (
    SELECT id FROM installation WHERE state = 0 AND installed_at < :pending_before
    UNION ALL SELECT id FROM installation WHERE state = 3 AND gone_at < :gone_before)
LIMIT :at_most;

-- Moving into another store.

-- columns moved_installation: id, member_id, client_id, state, domain, user_id, application_token, application_token_before, page_key, token_expires_at, client_endpoint, server, scope, plan_status, peer, installed_at, installed_ts, renewed_at, last_event_at, gone_at, lease_until, lease_by, problem
-- @installations_after (id, at_most)
SELECT {moved_installation} FROM installation WHERE id > :id ORDER BY id LIMIT :at_most;

-- columns moved_post: id, slot, received_at, bytes, counted, token
-- @moved_posts (installation)
SELECT {moved_post} FROM held_post WHERE installation = :installation ORDER BY id;

-- columns moved_chore: what, min(due_at, coalesce(wanted_at, due_at)) AS due_at, tries
-- @moved_chores (installation)
SELECT {moved_chore} FROM chore WHERE installation = :installation;

-- Unless it has changed since.
-- @installation_moved (id, state, installed_at, renewed_at, lease_by, now)
UPDATE installation SET state = CASE WHEN state = 0 THEN 0 ELSE 3 END, problem = 'moved',
    gone_at = CASE WHEN state IN (1, 2) THEN :now ELSE gone_at END, token_expires_at = NULL,
    lease_until = NULL, lease_by = NULL
WHERE id = :id AND state = :state AND installed_at = :installed_at AND renewed_at IS :renewed_at
    AND lease_by IS :lease_by;

-- Shown.

-- columns shown_installation: i.id, i.member_id, i.client_id, i.state, i.domain, i.user_id, i.client_endpoint, i.server, i.scope, i.plan_status, i.peer, coalesce(i.problem, (SELECT c.problem FROM chore AS c WHERE c.installation = i.id AND c.problem IS NOT NULL ORDER BY c.what LIMIT 1)) AS problem, i.installed_at, i.installed_ts, i.token_expires_at, i.renewed_at, i.application_token IS NOT NULL AS known, i.lease_by IS NOT NULL AS leased, (SELECT count(*) FROM held_post AS h WHERE h.installation = i.id) AS held
-- @installations
SELECT {shown_installation} FROM installation AS i ORDER BY i.domain, i.id;

-- @installations_named (name, domain)
SELECT {shown_installation} FROM installation AS i WHERE i.member_id = :name OR i.domain = :domain
ORDER BY i.domain, i.id;

-- @installation_shown (id)
SELECT {shown_installation} FROM installation AS i WHERE i.id = :id;

-- columns state_row: state, count(*) AS number
-- A pending one that was moved to another store waits there.
-- @installation_states
SELECT {state_row} FROM installation INDEXED BY installation_state
WHERE state <> 0 OR problem IS NOT 'moved' GROUP BY state;

-- @held_count
SELECT count(*) FROM held_post;
