#include "sync/upkeep.h"

#include <utility>

#include "rest/bindings.h"
#include "rest/http_pool.h"
#include "sync/pace.h"
#include "sync/renewal_process.h"
#include "sync/tokens.h"

namespace bx {

namespace {

constexpr std::string_view end_event = "ONAPPUNINSTALL";

// MAKE's request of METHOD with tokens that are good; with others once more when the portal refuses
// them.
template <typename Make>
RestResult call(const SyncContext& context, const Installation& one, const std::string& method,
                Make make) {
    const std::string& config_path = context.config.path;
    GoodTokens tokens = good_tokens(context.installations, config_path, one.id, least_left,
                                    {context.http.until});
    if (!tokens.result.succeeded()) return tokens.result;
    SharedPace pace = pace_of(context, one.member_id, one.client_id);
    const auto ask = [&] {
        if (!pace.wait_for_turn(method, turn_until(context))) {
            return RestResult{RestCause::limit, std::string(no_turn), false};
        }
        const InstallationWithTokens& known = tokens.known;
        const RestAnswer answer = binding_of(
            ask_http(make(known.installation.client_endpoint, known.tokens.access), context.http,
                     &context.endpoints),
            known.tokens.access);
        pace.note(method, answer);
        return RestResult{answer.cause, answer.text, answer.may_have_run};
    };
    const RestResult first = ask();
    if (first.cause != RestCause::expired_token) return first;
    tokens = other_tokens(context.installations, config_path, tokens.known, {context.http.until});
    return tokens.result.succeeded() ? ask() : tokens.result;
}

}  // namespace

ChoreEnd renew_idle(const SyncContext& context, const Installation& one) {
    if (block_of(context.config, one.client_id) == nullptr) return {ChoreEnd::Kind::later, ""};
    const RestResult result =
        renew_apart(context.config.path, {.id = one.id, .seen = one.renewed_at.value_or(0)},
                    {context.http.until});
    if (result.succeeded()) {
        context.tell(news_of(one, SyncNews::Kind::done, "tokens renewed"));
        return {};
    }
    context.tell(news_of(one, SyncNews::Kind::in_vain, "cannot renew its tokens", result.text));
    // Who does not pay today may tomorrow.
    const bool tomorrow = result.cause == RestCause::unpaid || is_refused(result.cause);
    const bool is_said = result.text.starts_with(unrenewed_problem);
    return {tomorrow ? ChoreEnd::Kind::later : ChoreEnd::Kind::in_vain,
            (is_said ? "" : std::string(unrenewed_problem)) + result.text};
}

ChoreEnd bind_end(const SyncContext& context, const Installation& one) {
    const App* app = block_of(context.config, one.client_id);
    if (app == nullptr || app->url.empty()) return {ChoreEnd::Kind::later, ""};
    const RestResult result =
        call(context, one, "event.bind", [&](const std::string& endpoint, const std::string& access) {
            return bind_request(endpoint, access, end_event, app->url);
        });
    if (result.succeeded()) {
        context.tell(news_of(one, SyncNews::Kind::done, "subscribed to ONAPPUNINSTALL"));
        return {};
    }
    context.tell(news_of(one, SyncNews::Kind::in_vain, "cannot subscribe to ONAPPUNINSTALL",
                         result.text));
    return {ChoreEnd::Kind::in_vain, "nobody would say that it is uninstalled: event.bind: " +
                                         result.text};
}

RestResult unbind_end(const SyncContext& context, const Installation& one) {
    const App* app = block_of(context.config, one.client_id);
    if (app == nullptr) {
        return {RestCause::wrong_client, "no `app` block has its client_id", false};
    }
    if (app->url.empty()) return {};
    RestResult result =
        call(context, one, "event.unbind", [&](const std::string& endpoint, const std::string& access) {
            return unbind_request(endpoint, access, end_event, app->url);
        });
    const bool is_gone =
        result.cause == RestCause::not_installed || result.cause == RestCause::portal_gone;
    return is_gone ? RestResult{} : result;
}

}  // namespace bx
