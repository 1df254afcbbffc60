! Arrays of several types and ranks go into the store and come back, in the order of both languages; sections with
! strides, arrays without elements; and how errors are told.
program arrays
  use sdp_dal
  implicit none
  type(sdp_dal_store) :: store
  type(sdp_dal_ref) :: ref
  type(sdp_dal_tensor) :: tensor
  type(sdp_dal_array) :: made
  integer(c_int32_t) :: status
  character(len=200) :: path, fault
  integer :: i

  call get_command_argument(1, path)
  call store%open(trim(path), name='arrays', size=16000000_c_int64_t)
  call get_command_argument(2, fault)
  if (fault /= '') call stop_with(fault)
  call plain()
  call types()
  call sections()
  call reversal()
  call created()
  call eight()
  call nothing()
  call errors()
  call store%close()
  print '(a)', 'all right'

contains

  subroutine expect(right, what)
    logical, intent(in) :: right
    character(len=*), intent(in) :: what
    if (.not. right) then
      print '(2a)', 'wrong: ', what
      error stop 1
    end if
  end subroutine

  !> Does what the library must refuse.
  subroutine stop_with(fault)
    character(len=*), intent(in) :: fault
    real(c_double), target :: a(2, 3)
    real(c_double), pointer :: b(:, :)
    real(c_float), pointer :: c(:, :)
    a = 1
    select case (fault)
    case ('type')
      call there(sdp_dal_array(a))
      call sdp_dal_point(c, tensor%array)
    case ('order')
      call there(sdp_dal_array(a, reversed=.true.))
      call sdp_dal_point(b, tensor%array)
    case ('library')
      call ref%free()
      call ref%wait()
    end select
  end subroutine

  logical function same(one, other)
    type(c_ptr), intent(in) :: one, other
    same = c_associated(one, other)
  end function

  !> Puts, and gets again.
  subroutine there(array, order)
    type(sdp_dal_array), intent(in) :: array
    integer(c_int32_t), intent(in), optional :: order
    call store%put(array, ref)
    call ref%get(tensor, order)
  end subroutine

  subroutine away()
    call tensor%free()
    call ref%free()
  end subroutine

  subroutine plain()
    real(c_double), target :: a(2, 3)
    real(c_double), pointer :: b(:, :)
    a = reshape([11, 21, 12, 22, 13, 23], [2, 3])
    call there(sdp_dal_array(a))
    call expect(.not. tensor%array%reversed .and. all(tensor%array%strides(:2) == [8, 16]), 'strides in F order')
    call sdp_dal_point(b, tensor%array)
    call expect(all(shape(b) == [2, 3]) .and. all(abs(a - b) <= 0), 'an array of two dimensions')
    call expect(.not. same(c_loc(a), c_loc(b)), 'what comes back lies in the store')
    call away()
  end subroutine

  subroutine types()
    logical(c_bool), target :: l(3)
    logical(c_bool), pointer :: lp(:)
    integer(c_int8_t), target :: i1(2)
    integer(c_int8_t), pointer :: i1p(:)
    integer(c_int16_t), target :: i2(2)
    integer(c_int16_t), pointer :: i2p(:)
    integer(c_int32_t), target :: i4(2)
    integer(c_int32_t), pointer :: i4p(:)
    integer(c_int64_t), target :: i8(2)
    integer(c_int64_t), pointer :: i8p(:)
    real(c_float), target :: r4(2)
    real(c_float), pointer :: r4p(:)
    complex(c_float_complex), target :: c4(2)
    complex(c_float_complex), pointer :: c4p(:)
    complex(c_double_complex), allocatable, target :: c8(:)
    complex(c_double_complex), pointer :: c8p(:)
    real(c_double), target :: one
    real(c_double), pointer :: onep
    l = [.true., .false., .true.]
    call there(sdp_dal_array(l))
    call sdp_dal_point(lp, tensor%array)
    call expect(logical(all(l .eqv. lp)), 'bool')
    call away()
    i1 = [-1_c_int8_t, 2_c_int8_t]
    call there(sdp_dal_array(i1, unsigned=.true.))
    call expect(tensor%array%dtype == sdp_dal_uint8, 'uint8')
    call sdp_dal_point(i1p, tensor%array)
    call expect(all(i1 == i1p), 'int8')
    call away()
    i2 = [-300_c_int16_t, 2_c_int16_t]
    call there(sdp_dal_array(i2))
    call sdp_dal_point(i2p, tensor%array)
    call expect(all(i2 == i2p) .and. tensor%array%dtype == sdp_dal_int16, 'int16')
    call away()
    i4 = [-70000, 2]
    call there(sdp_dal_array(i4))
    call sdp_dal_point(i4p, tensor%array)
    call expect(all(i4 == i4p), 'int32')
    call away()
    i8 = [-5000000000_c_int64_t, 2_c_int64_t]
    call there(sdp_dal_array(i8, unsigned=.true.))
    call sdp_dal_point(i8p, tensor%array)
    call expect(all(i8 == i8p) .and. tensor%array%dtype == sdp_dal_uint64, 'uint64')
    call away()
    r4 = [1.5, -2.5]
    call there(sdp_dal_array(r4))
    call sdp_dal_point(r4p, tensor%array)
    call expect(all(abs(r4 - r4p) <= 0), 'float32')
    call away()
    c4 = [(1.0, 2.0), (3.0, -4.0)]
    call there(sdp_dal_array(c4))
    call sdp_dal_point(c4p, tensor%array)
    call expect(all(abs(c4 - c4p) <= 0), 'complex64')
    call away()
    c8 = [(1.0d0, 2.0d0), (3.0d0, -4.0d0)]
    call there(sdp_dal_array(c8))
    call sdp_dal_point(c8p, tensor%array)
    call expect(all(abs(c8 - c8p) <= 0), 'complex128')
    call away()
    one = 4.25d0
    call there(sdp_dal_array(one))
    call sdp_dal_point(onep, tensor%array)
    call expect(tensor%array%ndim == 0 .and. abs(onep - one) <= 0, 'no dimensions')
    call away()
  end subroutine

  !> Sections are put as they are, and views with strides are arrays.
  subroutine sections()
    integer(c_int32_t), target :: a(6, 5, 4)
    integer(c_int32_t), pointer :: b(:, :, :), c(:, :, :), d(:, :)
    a = reshape([(i, i=1, 120)], shape(a))
    call there(sdp_dal_array(a(2:6:2, 5:1:-2, :)), sdp_dal_order_any)
    call expect(tensor%array%reversed, 'what has no order is stored in C order')
    call sdp_dal_point(b, tensor%array)
    call expect(all(shape(b) == [4, 3, 3]), 'sizes of a section')
    call expect(all(b == reshape(a(2:6:2, 5:1:-2, :), [4, 3, 3], order=[3, 2, 1])), 'a section')
    call away()
    ! Without the store: the description of a section is an array again.
    call sdp_dal_point(c, sdp_dal_array(a(1:6:3, 2:4, 1:3)))
    call expect(all(c == a(1:6:3, 2:4, 1:3)), 'an array of a section')
    call expect(same(c_loc(c(2, 1, 1)), c_loc(a(4, 2, 1))), 'the same memory')
    call parts(a(:, :, 1))
    call sdp_dal_point(d, sdp_dal_array(a(3, :, 2:4)))
    call expect(all(d == a(3, :, 2:4)), 'a section without the first dimension')
    call sdp_dal_point(d, sdp_dal_array(a(:, 1, 1:1)))
    call expect(all(d == a(:, 1, 1:1)), 'a section with one column')
  end subroutine

  !> Parts in both orders: indices of parts begin with 0.
  subroutine parts(whole)
    integer(c_int32_t), intent(in) :: whole(:, :)
    integer(c_int32_t), target :: a(6, 5)
    integer(c_int32_t), pointer :: b(:, :)
    type(sdp_dal_ref) :: part
    type(sdp_dal_tensor) :: some
    a = whole
    call store%put(sdp_dal_array(a), ref)
    call ref%part('[1:6:2, 2:]', part)
    call part%get(some)
    call sdp_dal_point(b, some%array)
    call expect(all(shape(b) == [3, 3]), 'sizes of a part')
    call expect(all(b == a(2:6:2, 3:5)), 'a part in F order')
    call some%free()
    call part%free()
    call ref%free()
    call store%put(sdp_dal_array(a, reversed=.true.), ref)
    call ref%part('[2:, 1:6:2]', part)
    call part%get(some, sdp_dal_order_c)
    call sdp_dal_point(b, some%array)
    call expect(all(b == a(2:6:2, 3:5)), 'a part in C order')
    call some%free()
    call part%free()
    call ref%free()
  end subroutine

  subroutine reversal()
    real(c_float), target :: a(3, 2)
    real(c_float), pointer :: b(:, :)
    a = reshape([1, 2, 3, 4, 5, 6], [3, 2])
    call there(sdp_dal_array(a, reversed=.true.), sdp_dal_order_c)
    call expect(all(tensor%array%shape(:2) == [2, 3]) .and. all(tensor%array%strides(:2) == [12, 4]), 'reversed dimensions')
    call sdp_dal_point(b, tensor%array)
    call expect(all(shape(b) == [3, 2]) .and. all(abs(a - b) <= 0), 'an array with reversed dimensions')
    call away()
  end subroutine

  subroutine created()
    real(c_double), pointer :: a(:, :), b(:, :)
    call store%create(sdp_dal_float64, [4, 3], made, ref)
    call sdp_dal_point(a, made)
    a = reshape([(1.0d0 * i, i=1, 12)], [4, 3])
    call ref%seal()
    call ref%get(tensor)
    call sdp_dal_point(b, tensor%array)
    call expect(all(shape(b) == [4, 3]) .and. abs(b(4, 3) - 12) <= 0 .and. abs(b(2, 1) - 2) <= 0, 'created in F order')
    call away()
    call store%create(sdp_dal_float64, [4_c_int64_t, 3_c_int64_t], made, ref, sdp_dal_order_c)
    call sdp_dal_point(a, made)
    call expect(all(shape(a) == [3, 4]), 'created in C order')
    a = 7
    call ref%seal()
    call ref%get(tensor, sdp_dal_order_c)
    call expect(all(tensor%array%shape(:2) == [4, 3]) .and. all(tensor%array%strides(:2) == [24, 8]), 'strides in C order')
    call away()
  end subroutine

  subroutine eight()
    integer(c_int64_t), target :: a(2, 1, 3, 1, 2, 1, 1, 2)
    integer(c_int64_t), pointer :: b(:, :, :, :, :, :, :, :)
    a = reshape([(i, i=1, 24)], shape(a))
    call there(sdp_dal_array(a))
    call sdp_dal_point(b, tensor%array)
    call expect(all(shape(b) == shape(a)) .and. all(a == b), 'eight dimensions')
    call away()
  end subroutine

  subroutine nothing()
    real(c_double), target :: a(3, 0)
    real(c_double), pointer :: b(:, :)
    type(sdp_dal_array) :: none
    call there(sdp_dal_array(a))
    call sdp_dal_point(b, tensor%array)
    call expect(associated(b) .or. size(b) == 0, 'no elements')
    call expect(all(shape(b) == [3, 0]), 'sizes without elements')
    call away()
    call sdp_dal_point(b, none)
    call expect(.not. associated(b), 'no tensor')
  end subroutine

  subroutine errors()
    type(sdp_dal_caller) :: caller
    call caller%open(store, [character(len=40) :: 'f(x: int64) -> (y: int8[i])', 'no signature'], status=status)
    call expect(status == sdp_dal_invalid_argument, 'a wrong signature')
    call expect(index(sdp_dal_message(), 'no signature') > 0, sdp_dal_message())
    call caller%open(store, ['f() -> (y: int8[i])'], status=status)
    call expect(status == sdp_dal_no_processor, 'no processor')
  end subroutine
end program
