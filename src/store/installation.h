// An application on a portal, and posts that are held until it is verified, as plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "event/token_proof.h"
#include "store/records.h"

namespace bx {

// The numbers may not change: they are in the tables.
enum class InstallationState { pending, active, broken, gone };
// Installation::problem of one that another store has now (stores/copy.h).
constexpr std::string_view moved_problem = "moved";
// Of one that a person brought, until its tokens are proven (store/transfer.h).
constexpr std::string_view unproven_problem = "imported, and its tokens are not proven yet";
// Installation::problem of a pending one for which no other try is of use ends so.
constexpr std::string_view install_again = ": install the application again";
// Installation::problem of one whose tokens are refused begins so.
constexpr std::string_view unrenewed_problem = "its tokens cannot be renewed: ";
// Of one that lacks subscriptions which it is to have.
constexpr std::string_view unsubscribed_problem = "it is not subscribed to all that it is to be: ";
std::string_view name_of(InstallationState state);

// How many application_tokens of before are right beside the one of now.
constexpr std::size_t tokens_before = 3;

// What REST takes.  Secrets.
struct Tokens {
    std::string access;
    std::string refresh;
    Millis expires_at = 0;  // of the access token; 0: not known
};

// Of a pending one everything but id, client_id, peer and installed_at is as the post said it,
// until it waits for its block.
struct Installation {
    InstallationId id = 0;
    std::string member_id;
    std::string client_id;  // empty: not known; of a pending one as app.info said it once
    InstallationState state = InstallationState::pending;
    std::string domain;     // lower case
    std::string user_id;    // whose tokens they are
    std::string client_endpoint;
    std::string server;     // the authorization server
    std::string scope;
    std::string plan_status;
    std::string peer;       // REMOTE_ADDR of the post that brought it
    std::string problem;    // what a person should know; empty: nothing
    Millis installed_at = 0;
    std::optional<std::int64_t> installed_ts;  // by the sender's clock, Unix time in seconds
    std::optional<Millis> token_expires_at;
    std::optional<Millis> renewed_at;
    bool has_application_token = false;
    // A renewal of its tokens was begun once: whatever came of it, the refresh token may be spent.
    bool was_leased = false;
    std::int64_t held = 0;  // its held posts
};

struct InstallationWithTokens {
    Installation installation;
    Tokens tokens;
};

// What is to be done for an installation when it is due.  The numbers may not change: they are in
// the tables.
enum class Chore {
    verify,  // of a pending one
    renew,   // its tokens, before they are too old
    bind,    // to have the subscriptions that are wanted, daily
    adopt,   // of one without application_token: to prove that of a held post
    pass,    // of no installation (id 0): what is done for all of them, every `catch_up`
    tell,    // a person that it needs one, by an event of ours
};

constexpr int number_of(Chore what) { return static_cast<int>(what); }

// One that was taken.
struct DueChore {
    InstallationId id = 0;
    Chore what = Chore::verify;
    int tries = 0;  // before, in vain
    // When it was due before it was taken, and when it is due again since; by the store's clock.
    Millis due_at = 0;
    Millis again_at = 0;
};

// A subscription of ours.
struct OwnBinding {
    std::string event;     // its code, upper case
    std::string handler;   // where it goes: a URL
    bool offline = false;
    bool by_hand = false;  // a person asked for it by name: no `app` block has to
    Millis bound_at = 0;   // asked for; ONAPPUNINSTALL: known to be there, 0 not yet
};

// A chain of tokens that is not renewed ends after 28 days.
constexpr Millis idle_renewal = 20 * day;

// What the authorization server said of one, and the tokens it has: those of the renewal that proved
// it; of one that is in no block, and so is not renewed, those that were judged.
struct Proof {
    InstallationId id = 0;  // of the pending one
    std::string client_id;
    std::string domain;     // the host of client_endpoint
    std::string user_id;
    std::string client_endpoint;
    std::string server;
    std::string scope;
    std::string plan_status;
    Tokens tokens;
};

struct Activation {
    enum class Result {
        done,
        not_pending,  // it was erased, or is verified already
        changed,      // it has other tokens by now than those that were proven
    };
    Result result = Result::not_pending;
    InstallationId id = 0;   // what it is now: an earlier installation of the same application, if any
    std::size_t events = 0;  // that held posts became
};

// What became of one that is to wait for its block.
enum class Keeping {
    kept,
    too_many,  // so many applications wait already
    changed,   // it is pending no more, or has other tokens by now than those that were judged
};

// One of the posts that are held for an installation without application_token.
struct HeldPost {
    std::int64_t id = 0;  // in order of receipt
    std::string token;    // SHA-256
    NewEvent event;
};

// The right to renew tokens, of one at a time.
struct Lease {
    Tokens tokens;
    // The one before ended without saying how: the refresh token may be spent.
    bool in_doubt = false;
};

// What a renewal brought.
struct Renewal {
    Tokens tokens;  // an empty refresh token: the old one stays
    std::string client_endpoint;  // empty: as before, as the others are
    std::string domain;
    std::string scope;
    std::string user_id;          // taken where none is known yet
    std::string server{};         // that gave it; empty: as before
};

// One that a person brings, as its vendor knows it.
struct BroughtInstallation {
    std::string member_id;
    std::string client_id;
    std::string refresh_token;
    std::string application_token;  // SHA-256; empty: it is not known
};

struct InstallationCounts {
    std::int64_t pending = 0, active = 0, broken = 0, gone = 0;
    std::int64_t held = 0;  // posts

    std::int64_t& of(InstallationState state);
};

// Bounds of what is held.  A post that brings an installation counts against `unverified` alone.
struct HoldLimits {
    std::int64_t of_installation = 100;  // posts
    std::int64_t posts = 1000;           // in all
    std::int64_t bytes = std::int64_t{16} << 20;
    std::int64_t unverified = 100;       // installations
    std::int64_t unclaimed = 20;         // of an application in no block
};
constexpr HoldLimits hold_limits;
constexpr std::size_t held_post_bytes = std::size_t{64} << 10;  // of a body, at most

enum class HeldKind {
    post,
    install,  // ONAPPINSTALL: makes an installation where there is none with its token
    page,     // the same, of an application's page
    page_key, // the same, and its token is that of its AUTH_ID: it has no application_token
};

// A post that is to be held.
struct NewHeldPost {
    HeldKind kind = HeldKind::post;
    NewEvent event;     // that it becomes; without a body: none, it only brings the installation
    std::string token;  // SHA-256
    // Of all but `post`, as the post says:
    Tokens tokens{};
    std::string server{};
    std::string peer{};
};

enum class HoldResult {
    held,
    // Not held, since meanwhile its token is a verified installation's, or nobody's: it is to be
    // looked up again.
    changed,
    // Not held, since a bound is reached:
    full_of_installation,
    full,
    full_of_unclaimed,
    full_of_unverified,
};
// "100 posts of this installation are held already"
std::string describe(HoldResult result);

// One that made room for another.
struct ReplacedInstallation {
    std::string portal;  // the domain as its post said it, else its member_id
    std::string peer;
};

// A refresh token that came with a post whose application_token was right.
struct Offer {
    InstallationId id = 0;
    std::string user_id;
    Tokens tokens;
};

// Whose the events are that held posts become.
struct PostOwner {
    InstallationId id = 0;
    std::string member_id;  // proven, both
    std::string domain;
};
NewEvent event_of(NewEvent post, const PostOwner& owner);

// How a held post lies in the store.
std::string pack_post(const NewEvent& event);
NewEvent unpack_post(std::string_view packed);  // throws StoreDamaged
// How tokens do, without `expires_at`.
std::string pack_tokens(const Tokens& tokens);
Tokens unpack_tokens(std::string_view packed);  // of damaged ones what is whole

}  // namespace bx
