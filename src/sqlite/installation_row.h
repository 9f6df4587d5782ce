// An installation, as rows of the SQLite store have it.
#pragma once

#include "sqlite/database.h"
#include "store/installation.h"

namespace bx::sqlite {

// What the columns ROW of a statement say of one, the current row of ROWS; of a list of columns that
// has all of these, by their names.  Without `has_application_token`,
// `was_leased` and `held`.
template <typename Row>
Installation installation_in(const Rows& rows) {
    Installation one;
    one.id = rows.number(Row::id);
    one.member_id = rows.text(Row::member_id);
    one.client_id = rows.text(Row::client_id);
    one.state = static_cast<InstallationState>(rows.number(Row::state));
    one.domain = rows.text(Row::domain);
    one.user_id = rows.text(Row::user_id);
    one.client_endpoint = rows.text(Row::client_endpoint);
    one.server = rows.text(Row::server);
    one.scope = rows.text(Row::scope);
    one.plan_status = rows.text(Row::plan_status);
    one.peer = rows.text(Row::peer);
    one.problem = rows.text(Row::problem);
    one.installed_at = rows.number(Row::installed_at);
    one.installed_ts = rows.maybe_number(Row::installed_ts);
    one.token_expires_at = rows.maybe_number(Row::token_expires_at);
    one.renewed_at = rows.maybe_number(Row::renewed_at);
    return one;
}

}  // namespace bx::sqlite
