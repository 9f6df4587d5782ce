// From the posts of a batch to what the store has of them, and to their answers: their senders'
// installations are looked up, each post is settled, and all are committed in one transaction.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"
#include "gateway/installation_look_up.h"
#include "gateway/settled_batch.h"
#include "gateway/verdicts.h"

namespace bx {

// Posts, and the requests they came in.
struct Posts {
    std::vector<Post> posts;
    std::vector<std::size_t> requests;  // indexes, one a post

    bool empty() const { return posts.empty(); }
    void add(Post post, std::size_t request) {
        posts.push_back(std::move(post));
        requests.push_back(request);
    }
};

class PostStore {
public:
    // Takes the answer to the request of that index.
    using Answerer = std::function<void(std::size_t index, const Answer& answer)>;
    // Called when events were added, before they are answered.
    using Added = std::function<void()>;

    // ONE_SHOT: a process of one request.
    PostStore(StoreSlot& store, TroubleLog& trouble, Verdicts& verdicts, Log& log, bool one_shot)
        : store_(store),
          trouble_(trouble),
          verdicts_(verdicts),
          log_(log),
          installations_(store, one_shot) {}

    // Intake::Installations.
    bool looks_up(const Config& config) { return installations_.is_on(config); }
    void forget() { installations_.forget(); }  // what was believed of another store
    // Answers all of them.  Throws only what ANSWER throws, and std::bad_alloc.
    void store(Posts posts, std::span<const Request> requests, const Config& config,
               const Answerer& answer, const Added& added);

private:
    struct Work {
        std::span<const Request> requests;
        const Config& config;
        const Answerer& answer;
        const Added& added;
    };

    Posts store_once(Posts& posts, const Work& work);
    SettledBatch settle_all(Posts& posts, const Work& work);
    AddedBatch commit(const SettledBatch& batch, const Work& work,
                      std::optional<std::string>& trouble);
    void note_replaced(std::span<const ReplacedInstallation> replaced);
    Answer refuse(const RequestRefusal& refusal, const std::optional<PageAnswer>& page,
                  const Request& request, std::size_t size);
    Answer answer_to(const SettledBatch& batch, const SettledBatch::Item& item,
                     const AddedBatch& added, const Request& request);

    StoreSlot& store_;
    TroubleLog& trouble_;
    Verdicts& verdicts_;
    Log& log_;
    InstallationLookUp installations_;
    Timer replaced_lines_;        // steady
    std::size_t replaced_ = 0;    // that no line has named or counted yet
};

}  // namespace bx
