/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * C++17 over sdp_dal.h, header only. What sdp_dal.h says about threads, blocking and the life of
 * bytes holds here too.
 *
 * Handles are objects that end themselves: move-only, apart from ref and table, which are shared.
 * raw() gives the C handle, still owned by the object. What fails throws sdp_dal::error (or a class
 * derived from it); no destructor throws.
 *
 *   void simple_fn(std::int64_t x, sdp_dal::tensor_view<const std::int64_t, 1> ys,
 *                  sdp_dal::output<std::int64_t, 1> &zs) {
 *       auto out = zs.create(ys.shape());
 *       for (std::int64_t i = 0; i < ys.shape(0); i++) out(i) = x + ys(i);
 *   }
 *
 *   sdp_dal::processor processor("/tmp/plasma", "SimpleProcessor");
 *   processor.add<simple_fn>("simple_fn", {"x", "ys[i]", "zs[i]"});
 *   while (true) processor.process();
 *
 * A function that has a `sdp_dal::call &` before its parameters can report progress, see that it
 * was cancelled, ask for private copies, or write its outputs after it has returned.
 *
 * `template <class = void>` before a function changes nothing for its callers: it makes compilers
 * skip the function where it is not called. `template <class Info = client_info>` makes them skip
 * containers of that type too.
 *
 * Where what is declared:
 *   error      exceptions, timeouts
 *   id, view   object_id; tensor_view
 *   arrow      Arrow's C structs, owned
 *   table      table, read by column; table_builder
 *   object     raw objects
 *   reference  ref, tensor, tensor_writer, wait_all(), wait_any()
 *   schema     functions' names and parameters
 *   listing    clients, namespaces, stores
 *   events     subscription
 *   store      store: put, create, find, list
 *   args       args and results of calls
 *   caller     caller: call, batch, broadcast
 *   output     output<T, N>, table_output, object_output
 *   parameter, function   what a C++ function may take
 *   call       call
 *   processor  processor
 *   log        set_log()
 */

#ifndef SDP_DAL_HPP
#define SDP_DAL_HPP

#include "sdp_dal/args.hpp"
#include "sdp_dal/arrow.hpp"
#include "sdp_dal/call.hpp"
#include "sdp_dal/caller.hpp"
#include "sdp_dal/error.hpp"
#include "sdp_dal/events.hpp"
#include "sdp_dal/function.hpp"
#include "sdp_dal/id.hpp"
#include "sdp_dal/listing.hpp"
#include "sdp_dal/log.hpp"
#include "sdp_dal/object.hpp"
#include "sdp_dal/output.hpp"
#include "sdp_dal/parameter.hpp"
#include "sdp_dal/part.hpp"
#include "sdp_dal/processor.hpp"
#include "sdp_dal/reference.hpp"
#include "sdp_dal/schema.hpp"
#include "sdp_dal/store.hpp"
#include "sdp_dal/table.hpp"
#include "sdp_dal/view.hpp"

#endif
