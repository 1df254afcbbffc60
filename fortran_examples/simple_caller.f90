! Calls simple_fn of simple_processor, first with a value, then with the result as the next input.
program simple_caller
  use sdp_dal
  use stopping
  implicit none
  type(sdp_dal_store) :: store
  type(sdp_dal_caller) :: caller
  type(sdp_dal_args) :: args
  type(sdp_dal_results) :: first, second
  type(sdp_dal_ref) :: zs
  integer(c_int64_t), target :: ys(10)
  integer(c_int32_t) :: status
  integer :: i

  call store%open(path_argument(&
      'Calls simple_fn(x: int64, ys: int64[i]) -> (zs: int64[i]) of a processor in the store at the' // new_line('a') // &
      'path STORE, and prints zs.'), name='simple_caller')
  call listen(store)
  call caller%open(store, ['simple_fn(x: int64, ys: int64[i]) -> (zs: int64[i])'], timeout_ns=10000000000_c_int64_t, &
      status=status)
  call finish(status)

  ys = [(i, i=0, 9)]
  call args%set('x', 1)
  call args%set('ys', sdp_dal_array(ys))
  call caller%call('simple_fn', args, first)

  ! The output of the first call is the input of the second: it need not exist yet.
  call first%ref('zs', zs)
  call args%set('x', 100)
  call args%set('ys', zs)
  call caller%call('simple_fn', args, second)

  call print_zs(first)
  call print_zs(second)

  call zs%free()
  call second%free()
  call first%free()
  call args%free()
  call caller%close()
  call stop_listening()
  call store%close()

contains

  !> Waits for the output zs and prints it.
  subroutine print_zs(results)
    type(sdp_dal_results), intent(in) :: results
    type(sdp_dal_tensor) :: tensor
    integer(c_int64_t), pointer :: numbers(:)
    call results%get('zs', tensor, status=status)
    call finish(status)
    call sdp_dal_point(numbers, tensor%array)
    print '("zs =", *(1x, i0))', numbers
    call tensor%free()
  end subroutine
end program
