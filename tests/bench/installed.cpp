// Puts active installations into a store, whose tokens are due to be renewed.
//
//   bench-installed STORE CLIENT_ID   each line of stdin is a member_id, the client_endpoint and the
//                                     refresh token
#include <cstdio>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>

#include "base/clock.h"
#include "base/sha256.h"
#include "stores/open.h"

namespace {

constexpr bx::Millis lease = bx::minute;
constexpr const char* holder = "bench";

struct Line {
    std::string member_id, client_endpoint, refresh_token;
};

void put(bx::Store& store, const std::string& client_id, const Line& line) {
    const bx::Millis now = bx::wall_now();
    const bx::InstallationId id =
        store.transfer()
            .bring({line.member_id, client_id, line.refresh_token, bx::sha256(line.member_id)}, now)
            .id;
    bx::Renewal renewal;
    renewal.tokens.access = "expired-long-ago";
    renewal.tokens.refresh = line.refresh_token;
    renewal.tokens.expires_at = now - bx::idle_renewal;
    renewal.client_endpoint = line.client_endpoint;
    renewal.domain = line.member_id + ".bitrix24.example";
    renewal.user_id = "1";
    if (!store.installations().take_lease(id, holder, lease) ||
        !store.installations().end_lease(id, holder, renewal, now - bx::idle_renewal)) {
        throw std::runtime_error("cannot put in " + line.member_id);
    }
    const auto bind = store.chores().take(id, bx::Chore::bind, now + bx::minute);
    if (bind) store.chores().finish(*bind);
}

int run(const std::string& place, const std::string& client_id) {
    const auto store = bx::open_store(
        bx::StorePlace::of(place), {.role = bx::Role::worker, .wait = bx::minute},
        bx::StoreOwner::assumed());
    std::string text;
    while (std::getline(std::cin, text)) {
        Line line;
        std::istringstream(text) >> line.member_id >> line.client_endpoint >> line.refresh_token;
        put(*store, client_id, line);
    }
    store->chores().hasten(bx::Chore::renew, bx::wall_now());
    std::printf("%lld\n", static_cast<long long>(store->installations().counts().active));
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: bench-installed STORE CLIENT_ID\n");
        return 2;
    }
    try {
        return run(argv[1], argv[2]);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "bench-installed: %s\n", error.what());
        return 1;
    }
}
