// The three requests that tokens live by: renew, app.info, profile.  One function makes the request,
// another reads the answer: whoever asks may ask many at a time (rest/http_pool.h).
//
// Facts: the authorization server answers errors with 200 too; its `domain` is its own host and not
// the portal's; a refresh token is spent by its use, whether its answer arrives or not.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "config/config.h"
#include "rest/answer.h"
#include "rest/endpoint.h"
#include "rest/http.h"

namespace bx {

// [A-Za-z0-9._|~-]{8,2048}: what has another form may be put nowhere.
bool is_token(std::string_view text);

// "https://host[:port]" of the authorization servers to ask for an installation whose post named
// SERVER_ENDPOINT ("https://oauth.bitrix.info/rest/"; may be empty): the one that equals it, of the
// two known and each app's `server`, else the two known in turn.
std::vector<std::string> authorization_servers(std::string_view server_endpoint,
                                               const Config& config);

// What became of a request; of a success `cause` is none.
struct RestResult {
    RestCause cause = RestCause::none;
    std::string text;           // of a failure: for people, one line
    bool may_have_run = false;  // of a failed renewal: the refresh token may be spent

    bool succeeded() const { return cause == RestCause::none; }
};

// -- Renewal

HttpRequest renewal_request(const std::string& server, const App& app,
                            const std::string& refresh_token);

struct RenewalAnswer {
    RestResult result;
    std::string access_token;
    Millis expires_in = hour;    // from the answer's receipt on
    std::string refresh_token;   // empty: the old one goes on
    std::string user_id;         // empty: not said
    std::string client_endpoint; // ends in "/rest/", may be asked; empty: what is stored goes on
    std::string endpoint_problem;  // why that of the answer is not taken; empty: it is
    std::vector<std::string> scope;
    std::string status;          // of the plan: one letter, or what there is
};

// Reads the answer to renewal_request() for MEMBER_ID, received at NOW (wall).  One of another
// portal, or without a usable access token, is a failure.  REFRESH_TOKEN is the one that was sent.
RenewalAnswer renewal_of(HttpOutcome outcome, const App& app, const std::string& refresh_token,
                         const std::string& member_id, const Endpoints& endpoints, Millis now);

// -- app.info, at the authorization server: whose is a token?

HttpRequest app_info_request(const std::string& server, const std::string& access_token);

struct AppInfo {
    RestResult result;  // wrong_client: the server does not know the token; expired_token
    std::string client_id;
    std::string user_id;
    std::string member_id;
    std::string client_endpoint;   // as in RenewalAnswer
    std::string endpoint_problem;
    std::vector<std::string> scope;
    std::string status;
    bool installed = false;        // the installation is complete
};

AppInfo app_info_of(HttpOutcome outcome, const std::string& access_token,
                    const Endpoints& endpoints);

// -- profile, at the portal: who is the user of a token?

HttpRequest profile_request(const std::string& client_endpoint, const std::string& access_token);

struct Profile {
    RestResult result;
    std::string user_id;
    bool admin = false;
};

Profile profile_of(const RestAnswer& answer);

}  // namespace bx
