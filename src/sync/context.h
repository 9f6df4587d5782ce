// What those who talk to Bitrix24 for an installation share.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "rest/endpoint.h"
#include "rest/http.h"
#include "store/bindings.h"
#include "store/installations.h"
#include "store/limiter.h"

namespace bx {

// What happened, as it is shown and logged.
struct SyncNews {
    enum class Kind { done, in_vain, refused };
    Kind kind = Kind::done;
    std::string what;       // "verified"
    std::string portal;     // its domain, or member_id
    std::string member_id;
    std::string client_id;  // empty: not known
    std::string cause;      // of what was in vain or refused
    std::size_t events = 0; // that held posts became
};

struct SyncContext {
    const Config& config;
    const Endpoints& endpoints;
    HttpSettings http;
    Installations& installations;
    Limiter& limiter;
    Bindings& bindings;
    // Told of everything, by any thread.
    std::function<void(const SyncNews&)> tell;
};

// The `app` block of that client_id; null: there is none.
const App* block_of(const Config& config, const std::string& client_id);
// The authorization server of INSTALLATION as it was said to us; of one that a person brought that of
// its block.  Empty: it is one of those known.
std::string server_of(const Installation& installation, const Config& config);
// The host of a URL; empty: it is none.
std::string host_of(const std::string& url);
// WORDS with a comma between each two.
std::string joined(const std::vector<std::string>& words);

// The news of INSTALLATION.
SyncNews news_of(const Installation& installation, SyncNews::Kind kind, std::string what,
                 std::string cause = {});

// How a chore ended.
struct ChoreEnd {
    enum class Kind {
        done,
        in_vain,  // it is tried again, after a while that grows
        later,    // the same, in a day
        until_tomorrow,  // done, and due again in a day
    };
    Kind kind = Kind::done;
    std::string problem{};  // of one that was in vain: what `portals` shows
    // The portal, by each of its names, on which an installation became active: what failed for
    // lack of one is tried again.
    std::vector<std::string> active_on{};
};

}  // namespace bx
