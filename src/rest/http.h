// HTTP requests by the `curl` program: it knows TLS, proxies and certificates, and is everywhere.
//
// Each request is a process: one that hangs holds nobody, and of one that fails every version of
// curl says why.  URL, headers and body go through pipes: neither argv, which every user of the
// machine can read, nor the environment has anything of them.  No redirect is followed, and no
// ~/.curlrc read.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "config/config.h"

namespace bx {

constexpr std::size_t max_http_body = std::size_t{64} << 20;  // bytes of a request, and an answer

enum class Trust { verify, any };  // of certificates

struct HttpRequest {
    std::string url;
    std::optional<std::string> body;   // sent by POST; none: GET
    std::string content_type = "application/x-www-form-urlencoded";
    std::vector<std::string> headers = {};  // "Name: value"
    Trust trust = Trust::verify;
    std::size_t max_answer = max_http_body;
    bool may_be_cut = false;  // the first max_answer bytes are enough
    bool with_headers = false;  // the outcome's body begins with those of the answer
};

enum class HttpFailure {
    none,          // there is an answer, whatever its status
    not_allowed,   // this URL may not be asked (rest/endpoint.h)
    unreachable,   // no such host, or no connection to it
    forbidden,     // this machine does not let us connect
    timed_out,
    untrusted,     // the server's certificate
    no_tls,        // the encrypted connection failed otherwise
    cut,           // the connection ended before the answer did
    too_large,     // the request or the answer
    no_curl,       // there is no such program
    bad_curl,      // it cannot be run, or cannot do what is needed
    bad_cacert,    // it cannot read rest.cacert
};

struct HttpOutcome {
    HttpFailure failure = HttpFailure::none;
    int status = 0;      // 0 where no answer began
    std::string body;    // of a failed one what came
    Millis took = 0;     // from the start, with the connection, to the end
    bool may_have_run = false;  // the server may have the request, so that it may have been done
    std::string cause;   // of a failure: one line for people, printable

    bool answered() const { return failure == HttpFailure::none; }
};

// How requests are made.
struct HttpSettings {
    std::string curl = "curl";
    std::string cacert;                // empty: the system's
    std::optional<std::string> proxy;  // none: as the environment says; empty: no proxy
    Millis timeout = 30 * second;      // of a request, with its connection
    bool https_only = false;
    bool keep_ignored = false;  // curl ignores the signals that this process ignores
    Millis until = 0;  // no request begins after that, or goes on (steady time); 0: there is no end
};

// Those of `rest { }`.
HttpSettings settings_of(const Rest& rest);

// What curl reads as its configuration for REQUEST, sent within TIME and, where ADDRESS is not
// empty, to that address of its host alone.  Throws Error where the URL or a header has a control
// character, or, with https_only, another than printable ASCII.
std::string curl_config(const HttpRequest& request, const HttpSettings& settings,
                        std::string_view address, Millis time);

// What curl looks at of our environment; of the rest it gets nothing, which may be root's.  With
// SETTINGS.proxy the proxies of the environment are not for it.
std::vector<std::string> curl_environment(const HttpSettings& settings);

// Why REQUEST has no answer when that is over max_answer.
std::string too_long(const HttpRequest& request);

// Of a curl that ended: OUTPUT is what it wrote on stdout (with curl_config's last line), CUT that
// some of it is missing, COMPLAINT what it wrote on stderr.
HttpOutcome outcome_of(int wait_status, std::string output, bool cut, const std::string& complaint,
                       const HttpRequest& request);

}  // namespace bx
