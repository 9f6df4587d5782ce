// What those who talk to Bitrix24, and a person, need of a store: installations and their tokens.
//
// A pending one is made by EventSink::add, with the posts that are held for it.  Here it is
// verified: it becomes active, and its posts events, or it is erased.
//
// Tokens are committed durably in every role but a worker's (store.h).  Every function may throw
// StoreError (store/errors.h); store.h says what holds of all of them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/installation.h"

namespace bx {

class Installations {
public:
    virtual ~Installations() = default;

    // None: there is none.
    virtual std::optional<InstallationWithTokens> find(InstallationId id) = 0;

    // -- Verifying

    // The pending one is what PROOF says: it becomes active, its held posts events in the order of
    // their receipt, also beyond limits.queue: they are in this store already, and hold_limits bounds
    // them.  When the same application is on that portal already, that installation takes
    // over the new one's tokens and posts; its application_token, and `tokens_before` at most from
    // before that, stay right until a post with the new one has come.  Others that wait for its
    // block are taken over too.  What was held for it with other tokens is erased once it has one.
    // A lease of its tokens ends.  Chores begin: it is to be bound, and its tokens are renewed in
    // time.  Nothing is changed where the pending one has other tokens than PROOF: it was installed
    // again since.
    virtual Activation activate(const Proof& proof) = 0;
    // The pending one is proven, but no block has its client_id: it waits, with its posts, for a
    // person, as one with those of the same application on that portal that wait already.  A page
    // is held with them once, and brings no tokens in place of an ONAPPINSTALL's.  The first of its
    // application there is to be told of (Chore::tell).  Unless it is kept nothing is changed.
    virtual Keeping keep_unclaimed(const Proof& proof) = 0;
    // Erases an installation with tokens and held posts, whatever it was; its events stay.
    virtual void erase(InstallationId id) = 0;
    // The same of a pending one that was judged by what find() gave as SEEN.  False, and nothing is
    // changed: it is not pending any more, or has other tokens, user or server, or there is a lease
    // of its tokens, which may be one that ended without saying how.
    virtual bool refuse(const InstallationWithTokens& seen) = 0;
    // Of the posts that are held for it the last with each token, in order of receipt; of one that
    // is pending none.
    virtual std::vector<HeldPost> held_posts(InstallationId id) = 0;
    // Of a verified one without application_token, or whose it is already: TOKEN (SHA-256) is it,
    // and the posts that are held for it become events, as by activate().  Those with other tokens are
    // erased.
    virtual Activation adopt_token(InstallationId id, const std::string& token) = 0;
    // Of a verified one without application_token: JUDGED, which held_posts() gave, proves that its
    // token is not it.  Erases that post and those before it with the token; one that has come since
    // was not judged, and stays.  Gives how many were erased.
    virtual std::size_t refuse_token(InstallationId id, const HeldPost& judged) = 0;

    // -- Tokens
    //
    // A lease ends when other tokens come, with a post or by a person: what came last wins, and what
    // a renewal of those before brings is of no use.

    // The right to renew, for LASTING milliseconds by the store's clock, to HOLDER, unlike any
    // other. None: another holds it, or it is gone.  Until the lease ends this process keeps room
    // for what the renewal brings; without any it throws.
    virtual std::optional<Lease> take_lease(InstallationId id, const std::string& holder,
                                            Millis lasting) = 0;
    // Gives HOLDER's lease back, with what the renewal brought, if anything; again, nothing.
    // False: it is not HOLDER's any more, or other tokens have come, and nothing is changed.
    virtual bool end_lease(InstallationId id, const std::string& holder,
                           const std::optional<Renewal>& renewal, Millis now) = 0;
    // The tokens of HOLDER's lease, which goes on, were refused, for PROBLEM, which is shown until
    // others come.  An active one is to be renewed at AGAIN_AT; none: they are of no use any more,
    // and it becomes broken, which is to be told (Chore::tell).  Where other tokens have come, or
    // another has the lease, nothing is changed.
    virtual void note_refused(InstallationId id, const std::string& holder,
                              const std::string& problem, std::optional<Millis> again_at) = 0;

    // -- The end

    // An ONAPPUNINSTALL that it proved, of TS (as sent), received at RECEIVED_AT, is matched: it
    // becomes gone, its tokens are erased.  False: it was installed since (by the sender's clock;
    // by receipt where one of the posts has no ts, as a page has none), or is gone already.
    virtual bool uninstalled(InstallationId id, std::string_view ts, Millis received_at) = 0;
    // Erases pending ones from before PENDING_BEFORE, posts of that age held for verified ones, and
    // those that are gone since before GONE_BEFORE; gives how many, a step of some hundreds.
    virtual std::size_t drop_old(Millis pending_before, Millis gone_before) = 0;

    // -- Shown

    // All of them, or those whose member_id or domain (any case) is NAME; by domain.
    virtual std::vector<Installation> list(std::string_view name = {}) = 0;
    // Without pending ones that another store has now.
    virtual InstallationCounts counts() = 0;
};

}  // namespace bx
