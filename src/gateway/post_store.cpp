#include "gateway/post_store.h"

#include <algorithm>
#include <utility>

#include "base/fault.h"

namespace bx {

namespace {

// Of a post whose installation becomes active, or is refused, while it is to be held.
constexpr int tries_at_most = 3;

}  // namespace

void PostStore::store(Posts posts, std::span<const Request> requests, const Config& config,
                      const Answerer& answer, const Added& added) {
    const Work work{requests, config, answer, added};
    for (int tries = 0; tries < tries_at_most && !posts.empty(); ++tries) {
        posts = store_once(posts, work);
    }
    for (std::size_t i = 0; i < posts.posts.size(); ++i) {
        const std::size_t index = posts.requests[i];
        answer(index, verdicts_.refuse(unavailable(describe(HoldResult::changed)),
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
            trouble ? verdicts_.refuse(unavailable("store: " + *trouble), request, item.size)
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
    const std::optional<std::string> trouble = trouble_.attempt(
        "cannot look up installations", [&] { known = installations_.find(posts.posts); });
    SettledBatch batch;
    for (std::size_t i = 0; i < posts.posts.size(); ++i) {
        Post& post = posts.posts[i];
        const std::size_t index = posts.requests[i];
        const auto refuse = [&](const RequestRefusal& refusal) {
            work.answer(index, verdicts_.refuse(refusal, work.requests[index], post.size));
        };
        const bool allowed = post.verdict == GateVerdict::allowed && !post.anyone;
        if (trouble && !allowed && !post.token.empty()) {
            refuse(unavailable("store: " + *trouble));
            continue;
        }
        Settled settled = settle(post, known, work.config.apps, log_);
        if (settled.refusal) {
            refuse(*settled.refusal);
        } else if (settled.event || settled.held) {
            batch.add(index, post.size, std::move(settled));
        } else {
            work.answer(index, verdicts_.show(*settled.page));
        }
    }
    return batch;
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
        return verdicts_.refuse(unavailable(describe(result)), request, item.size);
    }
    const Answer held = verdicts_.hold(batch.held(item), request);
    return item.page ? verdicts_.show(*item.page) : held;
}

}  // namespace bx
