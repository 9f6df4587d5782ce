#include "sync/context.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/url.h"

namespace bx {

const App* block_of(const Config& config, const std::string& client_id) {
    const auto app = std::ranges::find(config.apps, client_id, &App::client_id);
    return client_id.empty() || app == config.apps.end() ? nullptr : &*app;
}

std::string server_of(const Installation& installation, const Config& config) {
    if (!installation.server.empty()) return installation.server;
    const App* app = block_of(config, installation.client_id);
    return app == nullptr ? "" : app->server;
}

std::string host_of(const std::string& url) {
    const std::optional<Url> parts = parse_url(url);
    return parts ? parts->host : "";
}

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) text += (text.empty() ? "" : ",") + word;
    return text;
}

SyncNews news_of(const Installation& installation, SyncNews::Kind kind, std::string what,
                 std::string cause) {
    SyncNews news;
    news.kind = kind;
    news.what = std::move(what);
    news.portal = installation.domain.empty() ? installation.member_id : installation.domain;
    news.member_id = installation.member_id;
    news.client_id = installation.client_id;
    news.cause = std::move(cause);
    return news;
}

}  // namespace bx
