! A processor with one function: zs = x + ys. Run simple_caller against it.
module simple
  use sdp_dal
  implicit none
contains

  subroutine simple_fn(call)
    type(sdp_dal_call), intent(inout) :: call
    integer(c_int64_t) :: x
    integer(c_int64_t), pointer :: ys(:), zs(:)
    call call%get('x', x)
    call sdp_dal_point(ys, call%input('ys'))
    ! Memory in the store: written here, read by the caller, copied nowhere.
    call sdp_dal_point(zs, call%output('zs', shape(ys)))
    ! The error goes to the caller.
    if (call%failed()) return
    zs = x + ys
  end subroutine
end module

program simple_processor
  use sdp_dal
  use simple
  use stopping
  implicit none
  type(sdp_dal_store) :: store
  type(sdp_dal_processor) :: processor
  integer(c_int32_t) :: status

  call store%open(path_argument(&
      'Offers simple_fn(x: int64, ys: int64[i]) -> (zs: int64[i]), which adds x to ys, in the store' // new_line('a') // &
      'at the path STORE (it is made if there is none). Ctrl-C ends it.'), name='SimpleProcessor')
  call listen(store)
  call processor%open(store, 'SimpleProcessor')
  call processor%register('simple_fn(x: int64, ys: int64[i]) -> (zs: int64[i])', simple_fn)
  call processor%start()
  print '(a)', 'SimpleProcessor waiting for calls'
  flush (6)

  do while (stopped == 0)
    call processor%process(status=status)
    if (status /= sdp_dal_interrupted) call sdp_dal_check(status)
  end do

  call stop_listening()
  call processor%close()
  call store%close()
end program
