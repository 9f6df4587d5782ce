// The portals of configuration and store, as `portals` shows them.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "host/own_commands.h"
#include "store/installation.h"

namespace bx {

struct ShownPortal {
    std::string portal;       // the domain; empty: it has none
    std::string member_id;
    std::string client_id;
    std::string place;        // of one of the configuration: "portal 2"; empty: installed
    InstallationState state = InstallationState::active;
    std::string user_id;
    std::vector<std::string> scope;
    std::string plan_status;
    bool webhook = false;
    std::optional<Millis> token_expires_at, renewed_at, installed_at;
    std::string peer;         // of a pending one
    std::int64_t held = 0;    // posts
    std::string problem;      // empty: there is none
    std::string fix;          // what to do about it
};

// All of them, those of the configuration first; each with what is wrong with it, and what to do.
std::vector<ShownPortal> shown_portals(const Config& config,
                                       std::span<const Installation> installations);
// True for one whose member_id or domain (any case) is NAME.
bool is_named(const ShownPortal& portal, std::string_view name);
// "some.bitrix24.com", "some.bitrix24.com (local.1)"; without a domain the member_id.
std::string name_of(const ShownPortal& portal);

// The names of these, the oldest five first: "a.example (local.1), m2 and 3 more", printable.
std::string oldest_of(std::vector<Installation> installations);

// The document of `portals --json`.
std::string portals_json(std::span<const ShownPortal> portals);

}  // namespace bx
