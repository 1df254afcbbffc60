! What the examples share: Ctrl-C and SIGTERM end all waiting on the store, and so the program, in order. A program that a
! signal kills leaves a store that no other client uses behind.
module stopping
  use sdp_dal
  implicit none
  private
  public :: listen, stop_listening, stopped, finish, path_argument

  integer(c_int), parameter :: sigint = 2, sigterm = 15
  !> The signal that was received, or 0.
  integer(c_int), volatile, save :: stopped = 0
  type(sdp_dal_store), save :: waiting

  interface
    ! C's signal().
    type(c_funptr) function set_handler(number, handler) bind(c, name='signal')
      import
      integer(c_int), value :: number
      type(c_funptr), value :: handler
    end function
    subroutine leave(status) bind(c, name='exit')
      import
      integer(c_int), value :: status
    end subroutine
  end interface

contains

  subroutine on_signal(number) bind(c)
    integer(c_int), value :: number
    stopped = number
    if (c_associated(waiting%handle)) call waiting%interrupt(.true.)
  end subroutine

  !> From now on signals end the waiting on the store.
  subroutine listen(store)
    type(sdp_dal_store), intent(in) :: store
    type(c_funptr) :: before
    waiting = store
    before = set_handler(sigint, c_funloc(on_signal))
    before = set_handler(sigterm, c_funloc(on_signal))
  end subroutine

  !> To be called before the store is closed: the handler must not touch it any more.
  subroutine stop_listening()
    waiting%handle = c_null_ptr
  end subroutine

  !> A status that says that a wait was ended by a signal ends the program, with 130 or 143 as shells report signals. Other
  !> errors stop it with their text.
  subroutine finish(status)
    integer(c_int32_t), intent(in) :: status
    integer(c_int32_t) :: told
    if (status == sdp_dal_interrupted .and. stopped /= 0) then
      told = sdp_dal_stores_leave()
      call leave(128 + stopped)
    end if
    call sdp_dal_check(status)
  end subroutine

  !> The only argument of the program. text: what the program does.
  function path_argument(text) result(path)
    use, intrinsic :: iso_fortran_env, only: error_unit, output_unit
    character(len=*), intent(in) :: text
    character(len=:), allocatable :: path
    character(len=4096) :: program, argument
    call get_command_argument(0, program)
    call get_command_argument(1, argument)
    path = trim(argument)
    if (path == '--help' .or. path == '-h') then
      write (output_unit, '(4a)') 'usage: ', trim(program), ' STORE', new_line('a')
      write (output_unit, '(a)') text
      call leave(0)
    else if (command_argument_count() /= 1) then
      write (error_unit, '(4a)') 'usage: ', trim(program), ' STORE', new_line('a')
      write (error_unit, '(a)') text
      call leave(2)
    end if
  end function
end module
