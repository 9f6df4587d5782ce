// What one write transaction of the SQLite store does with held posts, and with the tokens of
// installations.
//
// Every function that reads or writes the database throws StoreError.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sqlite/secrets.h"
#include "store/installation.h"

namespace bx::sqlite {

// Whose a slot is: of the tokens of an installation, and of a held post.  No event's, and unlike
// each other's.
constexpr std::int64_t token_owner(InstallationId id) { return -id; }
constexpr std::int64_t held_owner(std::int64_t post) { return -(std::int64_t{1} << 62) - post; }

class HeldPosts {
public:
    explicit HeldPosts(Database& database) : db_(database) {}

    // EventSink::add, of one post.
    HoldResult hold(const NewHeldPost& post);
    // Those that made room for others so far.
    const std::vector<ReplacedInstallation>& replaced() const { return replaced_; }

    // The posts that are held for an installation, in order of receipt; with TOKEN those that came
    // with it.  One that is damaged is left out.
    struct Held {
        std::int64_t id = 0;
        std::int64_t slot = 0;
        std::optional<NewEvent> event;
    };
    std::vector<Held> posts_of(InstallationId id, const std::string& token = {});
    void remove(const Held& post);
    // Those of verified installations that came before BEFORE; gives how many.
    std::size_t drop_old(Millis before, std::int64_t at_most);

    // These tokens in place of those it has.
    void keep_tokens(InstallationId id, const Tokens& tokens);
    // The same of tokens that no renewal gave: unless it has them already, a lease ends.
    void bring_tokens(InstallationId id, const Tokens& tokens);
    Tokens tokens_of(InstallationId id);  // empty ones where they are damaged
    bool has_tokens(InstallationId id, const Tokens& tokens);
    void erase_tokens(InstallationId id);
    // The row, and all that is its.
    void erase(InstallationId id);

    // Before the commit: counts what was erased, so that it leaves the log too.
    void note_erased();

private:
    struct Place {
        enum class Kind { nowhere, pending, unclaimed, tokenless, proven } kind = Kind::nowhere;
        InstallationId id = 0;
    };
    struct Sum {
        std::int64_t posts = 0;
        std::int64_t bytes = 0;
    };

    Place place_of(const NewHeldPost& post);
    HoldResult bring(const NewHeldPost& post);
    bool is_fresher(InstallationId id, const NewHeldPost& post);
    void refresh(InstallationId id, const NewHeldPost& post);
    std::optional<HoldResult> make_room(const std::string& peer);
    HoldResult add_counted(const Place& place, const NewHeldPost& post);
    std::optional<Held> oldest_beside(InstallationId id, const std::string& token);
    void add(InstallationId id, const NewHeldPost& post, bool counted);
    const Sum& sum();

    Database& db_;
    std::int64_t erased_ = 0;
    std::optional<Sum> sum_;  // of all that count; none: not known
    std::vector<ReplacedInstallation> replaced_;
};

}  // namespace bx::sqlite
