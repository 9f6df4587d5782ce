// HTTP requests beside each other.
#pragma once

#include <cstddef>
#include <deque>
#include <list>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "rest/endpoint.h"
#include "rest/http.h"
#include "rest/text_program.h"

namespace bx {

class HttpPool {
public:
    // With ENDPOINTS, which outlives the pool, only what they allow is asked, and of a host that
    // must be public only a public address: each name is looked up (`getent ahosts`, which knows
    // this machine's ways to) and the request pinned to what was found.  Through a proxy names
    // alone are looked at, since it is the proxy that looks them up.  At most WIDTH requests are
    // under way at a time.
    HttpPool(HttpSettings settings, const Endpoints* endpoints, std::size_t width = 16);

    // Adds REQUEST to those that wait for their turn; its number counts from 0.
    std::size_t add(HttpRequest request);

    struct Done {
        std::size_t number;
        HttpOutcome outcome;
    };
    // Waits for the next that ends, each settings.timeout (and a second for curl to say so) after
    // its turn came at the latest.  None: there is none left.  Throws Error when this machine lacks
    // memory or descriptors.
    std::optional<Done> next();

private:
    struct Waiting {
        std::size_t number;
        HttpRequest request;
    };
    // A request under way: its host is being looked up, or it is being asked at the first of its
    // addresses.
    struct Transfer {
        std::size_t number = 0;
        HttpRequest request{};
        Millis deadline = 0;  // steady
        bool looks_up = false;
        std::optional<Endpoint> endpoint{};
        std::vector<std::string> addresses{};  // empty: curl finds its own
        std::optional<TextProgram> program{};
    };

    std::optional<HttpOutcome> begin(Transfer& transfer);
    std::optional<HttpOutcome> look_up(Transfer& transfer);
    std::optional<HttpOutcome> ask(Transfer& transfer);
    std::optional<HttpOutcome> after_look_up(Transfer& transfer);
    std::optional<HttpOutcome> after_asking(Transfer& transfer);
    std::optional<HttpOutcome> advance(Transfer& transfer);
    std::optional<Done> start_waiting();
    std::optional<Done> step();
    void wait() const;

    HttpSettings settings_;
    const Endpoints* endpoints_;
    std::size_t width_;
    std::size_t added_ = 0;
    std::deque<Waiting> waiting_;
    std::list<Transfer> running_;
};

// The outcome of REQUEST alone.
HttpOutcome ask_http(const HttpRequest& request, const HttpSettings& settings,
                     const Endpoints* endpoints);

}  // namespace bx
