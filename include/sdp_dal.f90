! SPDX-License-Identifier: BSD-3-Clause
!> The SDP Data Access Library for Fortran 2008: callers and processors over the C interface.
!>
!> It is compiled with the program:
!>
!>     gfortran $(pkg-config --variable=fortran sdp_dal) program.f90 -o program $(pkg-config --libs sdp_dal)
!>
!> Order of elements
!>   A tensor is stored in C or in F order. A tensor vis[row,chan] in F order is an array vis(row, chan). In C order,
!>   which is that of numpy, the same memory is an array vis(chan, row): its dimensions are reversed. Both are
!>   available without a copy: ask for sdp_dal_order_f or for sdp_dal_order_c. sdp_dal_order_any means as it is
!>   stored, and reversed of sdp_dal_array says how that is.
!>
!> Errors
!>   A procedure has an optional argument status: sdp_dal_ok, or an error whose text sdp_dal_message() returns.
!>   Without that argument an error prints its text and stops the program. In a processing function errors are kept
!>   instead: see sdp_dal_call.
!>
!> Handles
!>   A handle is freed by its procedure free or close, which does nothing if it was freed before. Fortran does not
!>   free it. A copy of a handle is the same handle.
!>
!> Not here: tables, batches, events. Module sdp_dal_c has the whole C interface.
include 'sdp_dal/fortran_c.inc'
include 'sdp_dal/fortran_arrays.inc'
include 'sdp_dal/fortran_objects.inc'
include 'sdp_dal/fortran_calling.inc'
include 'sdp_dal/fortran_processing.inc'

module sdp_dal
  use sdp_dal_c
  use sdp_dal_arrays
  use sdp_dal_objects
  use sdp_dal_calling
  use sdp_dal_processing
  implicit none
  public
  ! What the modules above share.
  private :: tell, limit, c_text, fortran_text, taken, viewed, made
end module
