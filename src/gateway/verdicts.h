// The answers to posts.  Each has its line in the log.
#pragma once

#include <cstddef>

#include "base/log.h"
#include "gateway/answer.h"
#include "gateway/request.h"
#include "gateway/settle.h"
#include "gateway/trouble_log.h"

namespace bx {

class Verdicts {
public:
    Verdicts(TroubleLog& trouble, Log& log) : trouble_(trouble), log_(log) {}

    Answer accept(const NewEvent& event, EventNumber number, const Request& request);
    Answer hold(const NewHeldPost& post, const Request& request);
    // A file that cannot be read is the built-in line: the installation is not to fail for that.
    Answer show(const PageAnswer& page);
    // SIZE: of the body, in bytes.
    Answer refuse(const RequestRefusal& refusal, const Request& request, std::size_t size);

private:
    TroubleLog& trouble_;
    Log& log_;
};

// 503, for REASON.
RequestRefusal unavailable(std::string reason);

}  // namespace bx
