//! Sets of dots: what has been seen when events come out of order.
