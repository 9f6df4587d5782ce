#include "gateway/post_store.h"

#include <algorithm>
#include <utility>

#include "base/fault.h"

namespace bx {

namespace {

// Of a post whose installation becomes active, or is refused, while it is to be held.
constexpr int tries_at_most = 3;

// What answers a page of which nothing could be looked up.
std::optional<PageAnswer> page_of(const Post& post) {
    if (post.kind != Post::Kind::page) return std::nullopt;
    return PageAnswer{};
}

// The installation that POST brings is known to those behind it in the batch.
void note_brought(const NewHeldPost& post, std::vector<KnownInstallation>& known) {
    if (post.kind == HeldKind::post) return;
    const bool by_key = post.kind == HeldKind::page_key;
    KnownInstallation brought;
    brought.id = -static_cast<std::int64_t>(known.size()) - 1;  // unlike any other
    brought.member_id = post.event.facts.member_id;
    (by_key ? brought.page_key : brought.token) = post.token;
    known.push_back(std::move(brought));
    sort_known(known);
}

}  // namespace

void PostStore::store(Posts posts, std::span<const Request> requests, const Config& config,
                      const Answerer& answer, const Added& added) {
    const Work work{requests, config, answer, added};
    for (int tries = 0; tries < tries_at_most && !posts.empty(); ++tries) {
        posts = store_once(posts, work);
    }
    for (std::size_t i = 0; i < posts.posts.size(); ++i) {
        const std::size_t index = posts.requests[i];
        answer(index, refuse(unavailable(describe(HoldResult::changed)), page_of(posts.posts[i]),
                             requests[index], posts.posts[i].size));
    }
}

// Gives those of which something has changed since they were looked up.
Posts PostStore::store_once(Posts& posts, const Work& work) {
    const SettledBatch batch = settle_all(posts, work);
    if (batch.empty()) return {};
    std::optional<std::string> trouble;
    const AddedBatch added = commit(batch, work, trouble);
    if (std::ranges::any_of(added.numbers, [](const auto& n) { return n.has_value(); })) {
        work.added();
    }
    if (!added.replaced.empty()) note_replaced(added.replaced);
    if (std::ranges::count(added.held, HoldResult::held) > 0) {
        installations_.note_one(work.config);
        work.added();  // they are to be verified
    }
    Posts changed;
    for (const SettledBatch::Item& item : batch.items()) {
        if (!trouble && !item.event && added.held[*item.held] == HoldResult::changed) {
            const auto at = std::ranges::find(posts.requests, item.index) - posts.requests.begin();
            changed.add(std::move(posts.posts[static_cast<std::size_t>(at)]), item.index);
            continue;
        }
        const Request& request = work.requests[item.index];
        const Answer answer =
            trouble ? refuse(unavailable("store: " + *trouble), item.page, request, item.size)
                    : answer_to(batch, item, added, request);
        fault_point("before-answer");
        work.answer(item.index, answer);
    }
    return changed;
}

// What is answered without the store is answered.  While it cannot be asked whose a token is, one
// that the configuration does not know may be right.
SettledBatch PostStore::settle_all(Posts& posts, const Work& work) {
    std::vector<KnownInstallation> known;
    // Without an `app` block hardly anybody has installations, but posts.
    const char* what = work.config.apps.empty() ? "cannot store events"
                                                : "cannot look up installations";
    const std::optional<std::string> trouble =
        trouble_.attempt(what, [&] { known = installations_.find(posts.posts); });
    SettledBatch batch;
    for (std::size_t i = 0; i < posts.posts.size(); ++i) {
        Post& post = posts.posts[i];
        const std::size_t index = posts.requests[i];
        const auto refuse_it = [&](const RequestRefusal& refusal,
                                   const std::optional<PageAnswer>& page) {
            work.answer(index, refuse(refusal, page, work.requests[index], post.size));
        };
        const bool allowed = post.verdict == GateVerdict::allowed && !post.anyone;
        if (trouble && !allowed && (!post.token.empty() || post.anyone)) {
            refuse_it(unavailable("store: " + *trouble), page_of(post));
            continue;
        }
        Settled settled = settle(post, known, work.config.apps, log_);
        if (settled.held) note_brought(*settled.held, known);
        if (settled.refusal) {
            refuse_it(*settled.refusal, settled.page);
        } else if (settled.event || settled.held) {
            batch.add(index, post.size, std::move(settled));
        } else {
            work.answer(index, verdicts_.show(*settled.page));
        }
    }
    return batch;
}

// A page is shown all the same; that it does not end the installation brings it back.
Answer PostStore::refuse(const RequestRefusal& refusal, const std::optional<PageAnswer>& page,
                         const Request& request, std::size_t size) {
    Answer refused = verdicts_.refuse(refusal, request, size);
    return page ? verdicts_.show({false, page->file}) : std::move(refused);
}

// In one transaction.  TROUBLE: why nothing of it is there.
AddedBatch PostStore::commit(const SettledBatch& batch, const Work& work,
                             std::optional<std::string>& trouble) {
    AddedBatch added;
    trouble = trouble_.attempt("cannot store events", [&] {
        store_.use([&](EventSink& sink) {
            if (!batch.offers().empty()) sink.heal(batch.offers());
            added = sink.add(batch.batch(), work.config.limits.queue);
        });
    });
    if (!trouble && !batch.retired().empty()) {
        trouble_.attempt("cannot retire a token", [&] {
            store_.use([&](EventSink& sink) { sink.retire_tokens(batch.retired()); });
        });
    }
    return added;
}

// At most a line a second: they are as many as somebody likes to send.
void PostStore::note_replaced(std::span<const ReplacedInstallation> replaced) {
    replaced_ += replaced.size();
    if (!replaced_lines_.every(second, steady_now())) return;
    const ReplacedInstallation& last = replaced.back();
    log_.warning("installation erased: too many wait to be verified, a newcomer took its place",
                 {{"portal", last.portal}, {"peer", last.peer}, {"count", replaced_}});
    replaced_ = 0;
}

// Where one is an event and held too, what counts is the event.
Answer PostStore::answer_to(const SettledBatch& batch, const SettledBatch::Item& item,
                            const AddedBatch& added, const Request& request) {
    if (item.event) {
        const std::optional<EventNumber> number = added.numbers[*item.event];
        if (number) return verdicts_.accept(batch.event(item), *number, request);
        return verdicts_.refuse(unavailable("limits.queue unfinished events reached"), request,
                                item.size);
    }
    const HoldResult result = added.held[*item.held];
    if (result != HoldResult::held) {
        return refuse(unavailable(describe(result)), item.page, request, item.size);
    }
    const Answer held = verdicts_.hold(batch.held(item), request);
    return item.page ? verdicts_.show(*item.page) : held;
}

}  // namespace bx
