//! What a kernel object behind a FIFO or socket inode hangs on to.

use std::any::Any;
use std::cell::RefCell;
use std::rc::{Rc, Weak};

/// A slot for the pipe or socket that is open behind an inode. It is weak: the object lives as
/// long as someone has it open.
#[derive(Default)]
pub struct Attachment(RefCell<Option<Weak<dyn Any>>>);

impl Attachment {
    /// The attached object, if it is alive and of this type.
    pub fn get<T: 'static>(&self) -> Option<Rc<T>> {
        let any = self.0.borrow().as_ref()?.upgrade()?;
        any.downcast::<T>().ok()
    }

    /// Attaches an object in place of whatever was there.
    pub fn set<T: 'static>(&self, object: &Rc<T>) {
        let any: Rc<dyn Any> = object.clone();
        *self.0.borrow_mut() = Some(Rc::downgrade(&any));
    }

    /// Empties the slot.
    pub fn clear(&self) {
        *self.0.borrow_mut() = None;
    }
}
