! A processor that averages visibilities over channels, with their weights. Visibilities may be stored in C order, as
! numpy and C have them, or in F order: both are read where they lie.
module averaging
  use sdp_dal
  implicit none
  private
  public :: average_channels, signature

  character(len=*), parameter :: signature = &
      'average_channels(vis: complex64[row,chan], weight: float32[row,chan], count: int32) -> ' // &
      '(vis_out: complex64[row,chan_out], weight_out: float32[row,chan_out])'

contains

  subroutine average_channels(call)
    type(sdp_dal_call), intent(inout) :: call
    type(sdp_dal_array) :: vis, weight
    complex(c_float_complex), pointer :: v(:, :), v_out(:, :)
    real(c_float), pointer :: w(:, :), w_out(:, :)
    integer :: rows, channels, sizes(2)
    integer(c_int32_t) :: count, order
    call call%get('count', count)
    vis = call%input('vis', sdp_dal_order_any)
    ! In C order the arrays of Fortran are v(chan, row), in F order v(row, chan). All four are alike, so weights in
    ! the other order are copied.
    order = merge(sdp_dal_order_c, sdp_dal_order_f, vis%reversed)
    weight = call%input('weight', order)
    if (call%failed()) return
    rows = int(vis%shape(1))
    channels = int(vis%shape(2))
    if (count < 1 .or. modulo(channels, max(count, 1)) /= 0) then
      call call%fail('count must be a positive divisor of the number of channels')
      return
    end if
    sizes = [rows, channels / count]
    call sdp_dal_point(v, vis)
    call sdp_dal_point(w, weight)
    call sdp_dal_point(v_out, call%output('vis_out', sizes, order))
    call sdp_dal_point(w_out, call%output('weight_out', sizes, order))
    if (call%failed()) return
    if (vis%reversed) then
      call average_columns(v, w, count, v_out, w_out)
    else
      call average_rows(v, w, count, v_out, w_out)
    end if
  end subroutine

  !> The channels of a row lie side by side.
  pure subroutine average_columns(v, w, count, v_out, w_out)
    complex(c_float_complex), intent(in) :: v(:, :)
    real(c_float), intent(in) :: w(:, :)
    integer(c_int32_t), intent(in) :: count
    complex(c_float_complex), intent(out) :: v_out(:, :)
    real(c_float), intent(out) :: w_out(:, :)
    integer :: row, out, first
    do row = 1, size(v, 2)
      do out = 1, size(v_out, 1)
        first = (out - 1) * count + 1
        w_out(out, row) = sum(w(first:first + count - 1, row))
        v_out(out, row) = sum(v(first:first + count - 1, row) * w(first:first + count - 1, row)) / nonzero(w_out(out, row))
      end do
    end do
  end subroutine

  !> The rows of a channel lie side by side.
  pure subroutine average_rows(v, w, count, v_out, w_out)
    complex(c_float_complex), intent(in) :: v(:, :)
    real(c_float), intent(in) :: w(:, :)
    integer(c_int32_t), intent(in) :: count
    complex(c_float_complex), intent(out) :: v_out(:, :)
    real(c_float), intent(out) :: w_out(:, :)
    integer :: chan, out
    v_out = 0
    w_out = 0
    do chan = 1, size(v, 2)
      out = (chan - 1) / count + 1
      w_out(:, out) = w_out(:, out) + w(:, chan)
      v_out(:, out) = v_out(:, out) + v(:, chan) * w(:, chan)
    end do
    v_out = v_out / nonzero(w_out)
  end subroutine

  !> A sum without any weight stays 0.
  elemental real(c_float) function nonzero(weight)
    real(c_float), intent(in) :: weight
    nonzero = merge(weight, 1.0, abs(weight) > 0)
  end function
end module

program averaging_processor
  use sdp_dal
  use averaging
  use stopping
  implicit none
  type(sdp_dal_store) :: store
  type(sdp_dal_processor) :: processor
  integer(c_int32_t) :: status

  call store%open(path_argument(&
      'Offers average_channels, which averages visibilities over channels with their weights, in the' // new_line('a') // &
      'store at the path STORE (it is made if there is none). Ctrl-C ends it.'), name='AveragingProcessor')
  call listen(store)
  call processor%open(store, 'AveragingProcessor')
  call processor%register(signature, average_channels)
  call processor%start()
  print '(a)', 'AveragingProcessor waiting for calls'
  flush (6)

  do while (stopped == 0)
    call processor%process(status=status)
    if (status /= sdp_dal_interrupted) call sdp_dal_check(status)
  end do

  call stop_listening()
  call processor%close()
  call store%close()
end program
